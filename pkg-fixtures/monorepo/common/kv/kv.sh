# kv FILE ROOT: for each line `path = value` writes the value into ROOT/path.
while IFS=' ' read -r path equals value; do
    [ "$equals" = = ] || continue
    mkdir -p "$(dirname "$2/$path")"
    echo "$value" >"$2/$path"
done <"$1"
