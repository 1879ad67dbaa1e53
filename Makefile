# Every target sets up what it needs; a second run starts at once. ARGS goes to pytest: make test ARGS='-k reload -x'
# A whole run also holds `model` and `core` to full branch coverage.
.PHONY: demo test fuzz check bench docs lab-packages
PYTHON ?= python3
VENV := .venv
ARGS ?=
LAB_PACKAGES := linux.uml:user-mode-linux modprobe:kmod ip:iproute2 ipvsadm:ipvsadm curl:curl mkfs.ext4:e2fsprogs losetup:mount tcc:tcc
# The real servers that tests/interop starts on loopback; what is no program on the PATH is named by its file.
SERVER_PACKAGES := nginx:nginx-light unbound:unbound postfix:postfix /usr/lib/dovecot/imap:dovecot-imapd \
    /usr/lib/dovecot/pop3:dovecot-pop3d vsftpd:vsftpd kamailio:kamailio \
    /usr/lib/*/kamailio/modules/tls.so:kamailio-tls-modules redis-server:redis-server memcached:memcached \
    slapd:slapd ldapsearch:ldap-utils freeradius:freeradius mariadbd:mariadb-server \
    /usr/lib/postgresql/*/bin/postgres:postgresql openssl:openssl
# The other half of a pair of directors, and what the lab looks for processes with.
PAIR_PACKAGES := keepalived:keepalived ps:procps
# What looks at what people see: a browser, Prometheus with its promtool, the shells, and readers of manual pages.
VIEWER_PACKAGES := chromium:chromium /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core \
    prometheus:prometheus zsh:zsh fish:fish man:man-db groff:groff mandoc:mandoc

demo: $(VENV)/.installed lab-packages
	@$(VENV)/bin/python tests/lab/demo.py

test: LAB_PACKAGES += $(SERVER_PACKAGES) $(VIEWER_PACKAGES) $(PAIR_PACKAGES)
test: $(VENV)/.installed lab-packages
	$(VENV)/bin/python -m pytest $(if $(ARGS),$(ARGS),--cov)

# New examples for every property, ten times as many; what fails is kept in .hypothesis and comes first the next time.
fuzz: $(VENV)/.installed
	HYPOTHESIS_PROFILE=fuzz $(VENV)/bin/python -m pytest --ignore=tests/kernel --ignore=tests/lab $(ARGS)

check: $(VENV)/.installed
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# tests/bench/native_*.py run on this machine, tests/bench/bench_*.py inside a guest, one after the other.
bench: LAB_PACKAGES += $(PAIR_PACKAGES) nginx:nginx cc:build-essential
bench: $(VENV)/.installed lab-packages
	@export STATE_DIRECTORY=$$(mktemp -d) && trap 'rm -rf "$$STATE_DIRECTORY"' EXIT && \
	for file in $(wildcard tests/bench/native_*.py); do PYTHONPATH=tests/lab $(VENV)/bin/python $$file || exit 1; done
	@for file in $(wildcard tests/bench/bench_*.py); do \
	    $(VENV)/bin/python tests/lab/boot.py --deadline 3600 -- \
	    env STATE_DIRECTORY=/run/healthlb-state PYTHONPATH=tests/lab $(VENV)/bin/python $$file || exit 1; \
	done

docs: LAB_PACKAGES += $(VIEWER_PACKAGES)
docs: $(VENV)/.installed lab-packages
	$(VENV)/bin/python -m healthlb.config.prepared
	$(VENV)/bin/healthlb checks --markdown > docs/checks.md
	PYTHONPATH=tests/lab $(VENV)/bin/python tests/lab/metrics_reference.py
	PYTHONPATH=tests/lab $(VENV)/bin/python tests/lab/incident.py
	PYTHONPATH=.:tests/lab $(VENV)/bin/python tests/lab/incident_pictures.py
	PYTHONPATH=.:tests/lab $(VENV)/bin/python tests/lab/screenshots.py
	$(VENV)/bin/python -m healthlb.cli.manual packaging/man
	$(VENV)/bin/healthlb completion bash > packaging/completions/healthlb
	$(VENV)/bin/healthlb completion zsh > packaging/completions/_healthlb
	$(VENV)/bin/healthlb completion fish > packaging/completions/healthlb.fish

lab-packages:
	@tests/lab/debian-packages $(LAB_PACKAGES)

$(VENV)/.installed: requirements.lock pyproject.toml
	@tests/lab/virtual-environment $(PYTHON) $(VENV)
	@touch $@
