"""One module a target. Each has files(project): {path: text}, with paths from
the root of the repository."""
