"""A folder of POSIX sh fragments, joined into install.sh by render/installer.py."""
