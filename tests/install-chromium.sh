#!/bin/sh
# Chromium for the tests that look at pages and mails; leaves VENV/bin/chromium-for-tests.
# Uses the one that is there; else Debian's package: installed as root or with sudo, and for a user
# without either unpacked, with the libraries it needs, below the virtual environment.
set -eu
venv=$1
target=$venv/bin/chromium-for-tests

link() {
    ln -sf "$1" "$target"
    # What Debian's wrapper says to stderr about the machine is nobody's business unless it fails.
    "$target" --version 2>/dev/null || "$target" --version
    exit 0
}

find_it() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        path=$(command -v "$name" 2>/dev/null) && link "$path"
    done
    return 0
}

find_it
if [ "$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo=sudo; else sudo=none; fi
if [ "$sudo" != none ]; then
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends \
        chromium fonts-dejavu-core fonts-noto-core >/dev/null
    find_it
fi

# A user of their own: apt keeps its lists and packages in a folder of theirs.
home=$(cd "$venv" && pwd)/chromium
mkdir -p "$home/lists/partial" "$home/debs/partial" "$home/root"
: >"$home/status" # as if nothing was installed: every library that it needs comes along
apt="-o Dir::State=$home -o Dir::State::lists=$home/lists -o Dir::State::status=$home/status
     -o Dir::Cache=$home -o Dir::Cache::archives=$home/debs -o Debug::NoLocking=1
     -o APT::Install-Recommends=false -o APT::Sandbox::User="
# shellcheck disable=SC2086 # the options are words
apt-get $apt -qq update
# shellcheck disable=SC2086
apt-get $apt -qq -y --download-only install chromium fonts-dejavu-core >/dev/null
for deb in "$home"/debs/*.deb; do
    case ${deb##*/} in libc6_* | libc-bin_* | dpkg_* | perl* | systemd*) continue ;; esac
    dpkg-deb -x "$deb" "$home/root"
done
rm -rf "$home/debs" "$home/lists"
libraries=$home/root/usr/lib/chromium:$(find "$home/root/usr/lib" -maxdepth 1 -name '*-linux-gnu' | head -n 1)
cat >"$home/run" <<RUN
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec "$home/root/usr/lib/chromium/chromium" "\$@"
RUN
chmod +x "$home/run"
link "$home/run"
