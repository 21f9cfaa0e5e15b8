# logcluster: `make run` shows it at work, `make test` tests it; Go is all they
# need. Everything else installs what it needs under .cache/ first.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL := go tool -modfile=deploy/tools/go.mod
FUZZTIME ?= 20s
SEEDS ?= 100
DATA ?= ../shared/data
BIN := bin/logcluster

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it work
.PHONY: run build install
run: build ## Demo: embedded broker, bundled recording, results here and on a web page
	@$(BIN) demo

build: ## Build bin/logcluster
	go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/logcluster

install: ## Install logcluster into $GOBIN
	go install -trimpath -ldflags '$(LDFLAGS)' ./cmd/logcluster

##@ Test
.PHONY: test race fuzz bench detection scenarios calibration series sweep roles test-browser
test: ## Unit, property, script and kfake tests (Go only)
	go test ./...

race: ## The same with the race detector
	go test -race -timeout 30m ./...

fuzz: ## Every fuzz target for FUZZTIME (default 20s)
	.ci/fuzz $(FUZZTIME)

bench: ## Benchmarks of the hot path, with allocations
	go test -run '^$$' -bench . -benchmem ./ingest/... ./fingerprint/... ./cluster/... ./baseline/... ./anomaly/... ./bench/...

roles: build ## Hold the role resolver against the API server's own word, and show families (DATA=folder with dev/)
	@if [ -e $(DATA)/dev/audit.jsonl.zst ]; then \
		LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./ingest/policy ./fingerprint/rbac -count 1 -run 'TestLoadRealObjects|TestRealAggregation' -v | grep -v '^=== '; \
		$(BIN) rbac verify --list 100 --rbac $(DATA)/dev/rbac.yaml --rbac-end $(DATA)/dev/rbac_end.yaml $(DATA)/dev/audit.jsonl.zst; \
		$(BIN) rbac families --rbac $(DATA)/dev/rbac.yaml $(DATA)/dev/audit.jsonl.zst; \
	else echo "skipped: no recording in $(DATA)/dev; set DATA to a folder that has one"; fi

detection: build ## Judge the detection on a labelled recording (DATA=folder with dev/)
	@if [ -e $(DATA)/dev/audit.jsonl.zst ]; then \
		$(BIN) replay --rbac $(DATA)/dev/rbac.yaml --labels $(DATA)/dev/labels.json $(DATA)/dev/audit.jsonl.zst; \
		LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./bench/detection -count 1 -run Keying -keying -v; \
		LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./bench/rivals -count 1 -run 'Rivals|Plain' -rivals -v -timeout 20m; \
	else echo "skipped: no recording in $(DATA)/dev; set DATA to a folder that has one"; fi

scenarios: ## Made-up attacks (SEEDS=100) in a quiet recording and in CloudTrail, beside other detectors
	@if [ -e $(DATA)/dev/audit.jsonl.zst ]; then \
		LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./bench/scenario -count 1 -run 'MadeUpAttacks$$|MadeUpAttacksInCloudTrail' -seeds $(SEEDS) -v -timeout 60m; \
	else echo "skipped: no recording in $(DATA)/dev; set DATA to a folder that has one"; fi

calibration: ## Observed over nominal exceedances on the quiet part of a recording
	@if [ -e $(DATA)/dev/audit.jsonl.zst ]; then \
		LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./bench/calibration -count 1 -run Recording -calibration -v; \
		LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./baseline/peer -count 1 -run Recording -v; \
	else echo "skipped: no recording in $(DATA)/dev; set DATA to a folder that has one"; fi

series: ## logcluster score beside simpler detectors (LOGCLUSTER_NAB=folder for the Numenta Anomaly Benchmark)
	go test ./bench/nab -count 1 -run . -nab -nab.seeds 3 -v -timeout 30m

sweep: ## Every knob at half and double on a labelled recording: the tables of ARCHITECTURE.md (hours)
	LOGCLUSTER_DATA=$(abspath $(DATA)) go test ./bench/detection -count 1 -run 'Sweep$$' -sweep -v -timeout 3h

test-browser: ## The web page in headless Chromium (installs Debian's chromium if there is none)
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }
	go test -tags browser -count 1 ./cmd/logcluster/web/...

##@ Against real servers
.PHONY: stack stack-down e2e e2e-kube
stack: ## Build and start Kafka, Loki, Alertmanager and Prometheus on loopback
	deploy/stack/stack.sh up

stack-down: ## Stop them
	deploy/stack/stack.sh down

e2e: build stack ## The service against the real servers, end to end
	eval "$$(deploy/stack/stack.sh env)"; \
		go test -tags e2e -p 1 -count 1 ./alert/... && go test -tags e2e -v -count 1 -timeout 25m ./deploy/e2e/...

e2e-kube: build ## Roles against a real Kubernetes API server, as the oracle and as the source
	deploy/stack/stack.sh up etcd kube-apiserver kube-controller-manager
	eval "$$(deploy/stack/stack.sh env)"; \
		go test -tags kube -v -count 1 -timeout 10m -run '^TestKube' ./deploy/e2e/...

##@ Keep it beautiful
.PHONY: lint lint-proof fmt vuln generate ci
lint: ## golangci-lint (house style and architecture) and a tidy go.mod
	go mod tidy -diff
	$(TOOL) golangci-lint run ./...

lint-proof: ## Show that the architecture rules fail when violated
	.ci/prove-lint

fmt: ## gofumpt
	$(TOOL) gofumpt -w $$(git ls-files '*.go')

vuln: ## Known vulnerabilities in what is linked
	.ci/vuln

generate: ## Write the configuration reference anew
	go generate ./...

ci: ## What CI runs
	.ci/run
