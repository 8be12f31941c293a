"""The console: pages for the admins of workspaces, rendered here, without a build or a CDN."""
