"""Pipedrive API v2: persons, activities, deals. RFC 3339 times, real booleans, cursor paging."""

from simulators.http import Routes
from simulators.pipedrive import activities, deals, persons
from simulators.pipedrive.caller import Caller

routes: Routes[Caller] = persons.routes.joined(activities.routes).joined(deals.routes)
