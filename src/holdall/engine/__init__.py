"""Between stores and faces: transfer, streams, local copies, resolving, the table of mounts."""
