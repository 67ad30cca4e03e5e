# Builds for Debian's nginx, or for that of
# make build NGINX_SOURCE_DIR=... NGINX_BUILD_DIR=...

MODULE = target/release/libngx_mail_pop3_rs_module.so

# Crates that need no nginx.
PURE_CRATES = address-limits auth-http log-format pop3 user-file

# What make test-release runs.
RELEASE_TESTS = test-licenses test-no-pop3 test-forks test-rpm fuzz-smoke test-clients test-auth \
	sanitize valgrind test-deb

ifdef NGINX_BUILD_DIR
NGINX_DIRS = NGINX_SOURCE_DIR=$(NGINX_SOURCE_DIR) NGINX_BUILD_DIR=$(NGINX_BUILD_DIR)
else
NGINX_DIRS = $$(tools/nginx debian)
endif

# One thing at a time: each makes use of all processors by itself, and some
# share a folder.
.NOTPARALLEL:
.DEFAULT_GOAL = help
.PHONY: help deps build check test demo run clean \
	test-crates test-full test-debian test-configure test-patched test-dist deb \
	test-release $(RELEASE_TESTS) dist diff-c mutants fuzz soak bench bench-peers

##@ Every day
help:  ## List the targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s:\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

deps:  ## Install the Debian packages that building, checks, demo and tests need
	@tools/deps build check demo fuzz test

build:  ## Build the module for Debian's nginx, or for NGINX_SOURCE_DIR and NGINX_BUILD_DIR
	@tools/deps build
	dirs="$(NGINX_DIRS)" && env $$dirs cargo build --release --locked

test: test-crates test-full test-debian  ## Test the crates, and run t/ with nginx 1.28.3 and Debian's

demo: build  ## Show logins through Debian's nginx with the module to a Dovecot
	@tools/deps demo
	MODULE=$(MODULE) demo/demo

run: build  ## Start what the demo shows and stay until Ctrl-C
	@tools/deps demo
	MODULE=$(MODULE) demo/demo --stay

clean:  ## Remove what was built
	rm -rf build target

##@ What .ci/run runs, one after the other
check: build  ## Check formatting, lints and the house rules
	cargo fmt --check
	cargo fmt --check $(addprefix -p ,$(PURE_CRATES)) -p ngx-mail -p load
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path bench/peers/client/Cargo.toml
	dirs="$(NGINX_DIRS)" && env $$dirs cargo clippy --locked --workspace --all-targets -- -D warnings
	tools/test-rules
	tools/house-rules $(MODULE)
	tools/check-messages.py
	@tools/deps check
	shellcheck -x $$(find tools -maxdepth 1 -type f ! -name '*.t' ! -name '*.py') .ci/run \
		demo/demo demo/dovecot demo/fill packaging/load-test packaging/debian/*.postinst \
		packaging/debian/tests/login
	shellcheck -s sh -e SC1091,SC2034,SC2154 config config.make auto/requirements
	pyflakes3 bench examples t/clients t/servers tools

test-crates: deps  ## Run unit and property tests, and try what must not build
	cargo test --locked $(addprefix -p ,$(PURE_CRATES))
	dirs="$(NGINX_DIRS)" && env $$dirs cargo test --locked -p ngx-mail -p ngx-mail-pop3-rs-module --lib
	dirs="$(NGINX_DIRS)" && env $$dirs RUSTDOC=$(CURDIR)/tools/rustdoc cargo test --locked -p ngx-mail --doc
	tools/test-build

test-full: deps  ## Run t/ with nginx 1.28.3, and 3000 dialogues beside the C module
	tools/suite full
	tools/diff-c/run --count 3000

test-debian: deps  ## Run t/ with Debian's nginx
	tools/suite debian

test-configure: deps  ## Build by nginx's ./configure, as a file and linked in, and run a part of t/
	tools/test-configure

test-patched: deps  ## Apply nginx-patches/ to each nginx, and run t/ with one that has them
	tools/check-patches
	tools/suite patched

test-dist:  ## Make the tarball twice and compare, and look what the packages say of it
	@tools/deps deb
	tools/test-dist

deb:  ## Make the Debian package of what is committed, without network
	@tools/deps deb
	tools/deb

##@ Before a release, besides; in brackets the minutes that it takes, about
test-release: $(RELEASE_TESTS)  ## Run all of this group but dist

test-licenses:  ## Have cargo-deny look at the crates' licenses and sources
	cargo deny --version > /dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --locked check bans licenses sources

test-no-pop3: deps  ## Run t/ with an nginx without the C module (3)
	tools/suite no-pop3

test-forks: deps  ## Build for the mail core of freenginx and Angie, and run a part of t/ (3)
	tools/test-forks

test-rpm:  ## Build the RPM and the Alpine package, as far as Debian can, and try both (5)
	@tools/deps build rpm test
	tools/test-rpm

fuzz-smoke:  ## Fuzz the protocols for a minute (2)
	@tools/deps fuzz
	tools/fuzz smoke

test-clients:  ## Log in with nine more clients in their default settings, and by OAuth
	@tools/deps build test clients
	tools/test-clients

test-auth:  ## Log in by auth services on CGI, gunicorn and uvicorn
	@tools/deps build test auth
	tools/test-auth

sanitize: deps  ## Run t/ with nginx and the module built with AddressSanitizer (8)
	tools/sanitize

valgrind: deps  ## Run a part of t/ with nginx in valgrind (2)
	@tools/deps valgrind
	tools/valgrind

test-deb:  ## Build, upgrade, try and purge the package in three releases of Debian, as root (20)
	@tools/deps test-deb
	tools/test-deb

dist:  ## Make the release tarball, with all crates, of what is committed
	tools/dist

##@ As long as you like, or to measure
diff-c: deps  ## Play 20000 dialogues to nginx with the C module and with this one, and compare
	module=$$(tools/module full) && tools/diff-c/run --count 20000 --module "$$module"

mutants:  ## Change the crates that need no nginx, place by place: do their tests notice?
	tools/mutants $(PURE_CRATES)

fuzz:  ## Fuzz the protocols until Ctrl-C
	@tools/deps fuzz
	tools/fuzz run

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
