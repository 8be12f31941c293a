"""The control API: sets the scene, makes things happen, switches faults on, shows every store."""
