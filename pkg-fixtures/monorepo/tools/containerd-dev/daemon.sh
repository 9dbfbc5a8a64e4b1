echo "containerd: listening"
