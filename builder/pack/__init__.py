"""Bytes become a tarball and back; knows nothing of Kubernetes."""
