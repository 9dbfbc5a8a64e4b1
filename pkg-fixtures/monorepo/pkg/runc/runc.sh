echo "runc: ${1:-no container}"
