"""The rehearsal: one virtual machine per node, with no way out, and install.sh run in each as a person would."""
