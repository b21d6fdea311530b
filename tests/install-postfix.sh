#!/bin/sh
# Postfix's smtp-sink and smtp-source for the benchmark; leaves them in VENV/postfix.
# Unpacked from Debian's package, not installed: no mail server is set up or started.
set -eu
venv=$1
home=$venv/postfix
rm -rf "$home"
mkdir -p "$home/debs" "$home/root"
cd "$home/debs"
apt-get download -qq postfix >/dev/null 2>&1 || { apt-get update -qq && apt-get download -qq postfix >/dev/null; }
dpkg-deb -x postfix_*.deb ../root
cd - >/dev/null
for name in smtp-sink smtp-source; do
    cat >"$home/$name" <<RUN
#!/bin/sh
LD_LIBRARY_PATH=$(cd "$home" && pwd)/root/usr/lib/postfix exec "$(cd "$home" && pwd)/root/usr/sbin/$name" "\$@"
RUN
    chmod +x "$home/$name"
done
rm -rf "$home/debs"
