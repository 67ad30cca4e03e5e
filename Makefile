# Builds for Debian's nginx, or for that of
# make build NGINX_SOURCE_DIR=... NGINX_BUILD_DIR=...

MODULE = target/release/libngx_mail_pop3_rs_module.so

ifdef NGINX_BUILD_DIR
NGINX_DIRS = NGINX_SOURCE_DIR=$(NGINX_SOURCE_DIR) NGINX_BUILD_DIR=$(NGINX_BUILD_DIR)
else
NGINX_DIRS = $$(tools/nginx debian)
endif

.DEFAULT_GOAL = help
.PHONY: help deps build check test demo run clean \
	diff-c mutants fuzz-smoke fuzz sanitize valgrind soak bench bench-peers \
	dist deb test-dist test-configure test-forks test-patched test-deb test-rpm \
	test-clients test-auth

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

deps:  ## Install the Debian packages that building, checks, demo and tests need
	@tools/deps build check demo fuzz test

build:  ## Build the module for Debian's nginx, or for NGINX_SOURCE_DIR and NGINX_BUILD_DIR
	@tools/deps build
	dirs="$(NGINX_DIRS)" && env $$dirs cargo build --release --locked

check: build  ## Check formatting, lints, the house rules and the licenses
	cargo fmt --check
	cargo fmt --check -p address-limits -p auth-http -p log-format -p ngx-mail -p pop3 -p user-file -p load
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path bench/peers/client/Cargo.toml
	dirs="$(NGINX_DIRS)" && env $$dirs cargo clippy --locked --workspace --all-targets -- -D warnings
	tools/test-rules
	tools/house-rules $(MODULE)
	tools/check-messages.py
	@tools/deps check
	shellcheck -x $$(find tools -maxdepth 1 -type f ! -name '*.t' ! -name '*.py') .ci/run demo/demo demo/dovecot demo/fill packaging/load-test packaging/debian/*.postinst packaging/debian/tests/login
	shellcheck -s sh -e SC1091,SC2034,SC2154 config config.make auto/requirements
	pyflakes3 bench examples t/clients t/servers tools
	cargo deny --version > /dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --locked check bans licenses sources

test: deps  ## Run the unit and property tests, what must not build, t/ with three nginx, diff-c
	cargo test --locked -p address-limits -p auth-http -p log-format -p pop3 -p user-file
	dirs="$(NGINX_DIRS)" && env $$dirs cargo test --locked -p ngx-mail -p ngx-mail-pop3-rs-module --lib
	dirs="$(NGINX_DIRS)" && env $$dirs RUSTDOC=$(CURDIR)/tools/rustdoc cargo test --locked -p ngx-mail --doc
	tools/test-build
	tools/suite full
	tools/diff-c/run --count 3000
	tools/suite no-pop3
	tools/suite debian

demo: build  ## Show logins through Debian's nginx with the module to a Dovecot
	@tools/deps demo
	MODULE=$(MODULE) demo/demo

run: build  ## Start what the demo shows and stay until Ctrl-C
	@tools/deps demo
	MODULE=$(MODULE) demo/demo --stay

diff-c: deps  ## Play 20000 dialogues to nginx with the C module and with this one, and compare
	module=$$(tools/module full) && tools/diff-c/run --count 20000 --module "$$module"

# Crates that need no nginx.
PURE_CRATES = address-limits auth-http log-format pop3 user-file
mutants:  ## Change the crates that need no nginx, place by place: do their tests notice?
	tools/mutants $(PURE_CRATES)

fuzz-smoke:  ## Fuzz the protocols for a minute
	@tools/deps fuzz
	tools/fuzz smoke

fuzz:  ## Fuzz the protocols until Ctrl-C
	@tools/deps fuzz
	tools/fuzz run

sanitize: deps  ## Run t/ with nginx and the module built with AddressSanitizer
	tools/sanitize

valgrind: deps  ## Run a part of t/ with nginx in valgrind
	@tools/deps valgrind
	tools/valgrind

SECONDS = 600
soak: deps  ## Run mixed traffic and faults against one worker for SECONDS=600
	module=$$(tools/module full) && tools/soak/run --seconds $(SECONDS) --nginx build/full/objs/nginx --module "$$module"

bench: deps  ## Measure one worker with this module and with the C module, side by side
	@tools/deps bench
	module=$$(tools/module bench) && cargo build --release --locked -p load && bench/run --module "$$module"

PEERS_CLIENT = --manifest-path bench/peers/client/Cargo.toml --target-dir build/peers-client
bench-peers: deps  ## Measure this module beside the C module, stream, Dovecot and Perdition
	@tools/deps bench
	cargo build --release --locked $(PEERS_CLIENT)
	module=$$(tools/module bench) && cargo build --release --locked -p load && bench/run-peers --module "$$module"

test-clients:  ## Log in with nine more clients in their default settings, and by OAuth
	@tools/deps build test clients
	tools/test-clients

test-auth:  ## Log in by auth services on CGI, gunicorn and uvicorn
	@tools/deps build test auth
	tools/test-auth

test-configure: deps  ## Build with nginx's ./configure, as a file and linked in, and run a part of t/
	tools/test-configure

test-forks: deps  ## Build for the mail core of freenginx and Angie, and run a part of t/
	tools/test-forks

test-patched: deps  ## Apply nginx-patches/ to each nginx, and run t/ with one that has them
	tools/check-patches
	tools/suite patched

dist:  ## Make the release tarball, with all crates, of what is committed
	tools/dist

test-dist: deps  ## Make it twice, compare, and build it without network
	tools/test-dist

deb:  ## Make the Debian package for this machine's nginx, of what is committed
	@tools/deps deb
	tools/deb

test-deb:  ## Build, upgrade, try and purge the package in three releases of Debian (root)
	@tools/deps test-deb
	tools/test-deb

test-rpm:  ## Build the RPM and the Alpine package, as far as Debian can, and try both
	@tools/deps build rpm test
	tools/test-rpm

clean:  ## Remove what was built
	rm -rf build target
