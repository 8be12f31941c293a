"""What the service does: connecting, handing out access, changing and judging installations."""
