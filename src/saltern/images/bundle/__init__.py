"""All images of a cloud as one file: an OCI image layout in a tar archive, from a registry and to another one.

Equal images give equal bytes. Manifests stay as they are, so what refers to an image by digest holds afterwards.
Nothing of an archive is believed before all of it was read.
"""
