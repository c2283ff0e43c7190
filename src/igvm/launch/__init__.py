"""What a loader does with a file for one platform, in order: plans and loaders."""
