# The only entry points. `make` alone explains them. Windows has no make: README names the equal commands.
.DEFAULT_GOAL := help
.PHONY: help run test check lint lab notebooks book pdf korean web figures cluster jax lock address

PYTHON := .venv/bin/python
RUN := PYTHONUNBUFFERED=1 $(PYTHON)
LOCKED := --group tools --group web

help:  ## explain the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' Makefile

run: .venv/locked  ## execute every lesson; report in build/report.html
	$(RUN) -m helpers run

test: .venv/locked  ## run the tests, and every lesson in its shortest form
	COURSE_PROFILE=smoke $(RUN) -m pytest -n 2 --dist loadfile -m "not full and not slow"

check: .venv/locked  ## run the slow tests, and the lessons as a reader does, where their claims are asserted; rehearse full
	COURSE_PROFILE=smoke $(RUN) -m pytest -n 2 --dist loadfile -m slow nbtests
	COURSE_PROFILE=quick $(RUN) -m pytest -n 2 --dist loadfile notebooks/*.ipynb
	$(RUN) -m pytest -n 2 --dist load nbtests/test_full.py

lint: .venv/locked  ## check style, and that helpers/ stays small
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) nbtests/size.py

lab: .venv/locked  ## open the lessons in JupyterLab
	$(PYTHON) -m jupyter lab notebooks

notebooks: .venv/locked  ## execute the lessons in place, outputs and all
	$(RUN) -m helpers run --in-place
	$(PYTHON) -m ruff format -q notebooks

book: .venv/book  ## make the site to read, in build/book
	$(PYTHON) -m book.build

pdf: book  ## make a PDF of each lesson, in build/pdf; needs Chromium
	$(PYTHON) -m book.pdf

korean: .venv/book  ## bring the Korean catalogues up to date, and write the Korean lessons into build/ko
	$(PYTHON) -m book.korean extract
	$(PYTHON) -m book.korean apply
	-$(PYTHON) -m book.korean status

# instructors: begin
.PHONY: student grade check-lessons similar publish slides
LOCKED += --group instructors

student: .venv/locked  ## make the student editions of the exercises
	$(PYTHON) -m instructors.student

grade: .venv/locked  ## grade what was handed in: make grade SUBMISSIONS=folder, which holds <student>/<lesson>.ipynb
	$(RUN) -m instructors.grade "$(SUBMISSIONS)" $(if $(RELEASE),--release "$(RELEASE)") $(if $(ANONYMOUS),--anonymous)

check-lessons: .venv/locked  ## check executed lessons without running them: make check-lessons SUBMISSIONS=folder
	$(RUN) -m instructors.check_lessons "$(SUBMISSIONS)"

similar: .venv/locked  ## find solutions that are much alike: make similar SUBMISSIONS=folder
	$(RUN) -m instructors.similar "$(SUBMISSIONS)"

publish: .venv/locked  ## copy the course for students, without solutions: make publish TO=folder URL=https://github.com/…
	$(RUN) -m instructors.publish "$(TO)" $(if $(URL),--address "$(URL)")

slides: .venv/locked  ## make slides of each lesson's figures, in build/slides
	$(PYTHON) -m instructors.slides
# instructors: end
web: .venv/locked  ## open the page that changes anybody's photograph, on this machine
	$(RUN) web/serve.py

figures: .venv/locked  ## measure the networks: make figures SETS="--set5 FOLDER --faces FOLDER", see python -m helpers figures -h
	$(RUN) -m helpers figures $(SETS)

cluster: .venv/cluster  ## install what --cluster needs, to work on more machines than one; see data/README.md

jax: .venv/jax  ## install JAX, to train on several GPUs or machines; see data/README.md

COMPILE = $(PYTHON) -m uv pip compile -q --upgrade --universal --fork-strategy fewest --python-version 3.11 \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: .venv/locked  ## compile requirements.txt anew from pyproject.toml, and those of the site, of a cluster and of JAX beside it
	$(PYTHON) -m pip install -q uv
	$(COMPILE) $(LOCKED) pyproject.toml -o requirements.txt
	$(COMPILE) -c requirements.txt book/requirements.in -o book/requirements.txt
	$(COMPILE) -c requirements.txt -c book/requirements.txt --group cluster -o helpers/app/cluster.txt
	$(COMPILE) -c requirements.txt -c book/requirements.txt -c helpers/app/cluster.txt --group jax -o helpers/app/jax.txt

address: .venv/locked  ## write the repository's address everywhere: make address URL=https://github.com/…
	$(PYTHON) -m helpers address "$(URL)"

# The first Python in the supported range makes the environment; the stamp is newer than the lock it installed.
.venv/locked: requirements.txt
	@for python in python3 python3.13 python3.12 python3.11 ""; do \
	    test -n "$$python" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found"; exit 1; }; \
	    $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
	done; echo "installing into .venv with $$($$python --version): a few minutes, 3 GB"; \
	test -x $(PYTHON) || $$python -m venv .venv
	$(PYTHON) -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch .venv/locked

# What the site and the Korean lessons need besides; it changes no version of the lock
.venv/book: book/requirements.txt .venv/locked
	$(PYTHON) -m pip install -q --disable-pip-version-check -r book/requirements.txt
	@touch .venv/book

.venv/cluster: helpers/app/cluster.txt .venv/locked
	$(PYTHON) -m pip install -q --disable-pip-version-check -r helpers/app/cluster.txt
	@touch .venv/cluster

.venv/jax: helpers/app/jax.txt .venv/locked
	$(PYTHON) -m pip install -q --disable-pip-version-check -r helpers/app/jax.txt
	@touch .venv/jax
