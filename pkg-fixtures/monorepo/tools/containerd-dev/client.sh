echo "ctr: $*"
