echo "booting: $*"
