"""bundler: one self-contained tarball per Kubernetes node, for machines that have no network."""

__version__ = "0.1.0"
