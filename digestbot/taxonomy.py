"""
arXiv's categories: codes, names, archives and aliases.

The table holds arXiv's own taxonomy (arxiv-base, ``arxiv/taxonomy/definitions.py``) and is parsed
at first use. Begin at `expand`.
"""

import difflib
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

# Each line: the code; "=" and the canonical code of an alias, or ">" and the category that took in
# a subsumed archive; the name. Lines with "# " begin a group.
_TABLE = """
# Computer Science
cmp-lg>cs.CL Computation and Language
cs.AI Artificial Intelligence
cs.AR Hardware Architecture
cs.CC Computational Complexity
cs.CE Computational Engineering, Finance, and Science
cs.CG Computational Geometry
cs.CL Computation and Language
cs.CR Cryptography and Security
cs.CV Computer Vision and Pattern Recognition
cs.CY Computers and Society
cs.DB Databases
cs.DC Distributed, Parallel, and Cluster Computing
cs.DL Digital Libraries
cs.DM Discrete Mathematics
cs.DS Data Structures and Algorithms
cs.ET Emerging Technologies
cs.FL Formal Languages and Automata Theory
cs.GL General Literature
cs.GR Graphics
cs.GT Computer Science and Game Theory
cs.HC Human-Computer Interaction
cs.IR Information Retrieval
cs.IT Information Theory
cs.LG Machine Learning
cs.LO Logic in Computer Science
cs.MA Multiagent Systems
cs.MM Multimedia
cs.MS Mathematical Software
cs.NA=math.NA Numerical Analysis
cs.NE Neural and Evolutionary Computing
cs.NI Networking and Internet Architecture
cs.OH Other Computer Science
cs.OS Operating Systems
cs.PF Performance
cs.PL Programming Languages
cs.RO Robotics
cs.SC Symbolic Computation
cs.SD Sound
cs.SE Software Engineering
cs.SI Social and Information Networks
cs.SY=eess.SY Systems and Control
# Economics
econ.EM Econometrics
econ.GN General Economics
econ.TH Theoretical Economics
# Electrical Engineering and Systems Science
eess.AS Audio and Speech Processing
eess.IV Image and Video Processing
eess.SP Signal Processing
eess.SY Systems and Control
# Mathematics
alg-geom>math.AG Algebraic Geometry
dg-ga>math.DG Differential Geometry
funct-an>math.FA Functional Analysis
math.AC Commutative Algebra
math.AG Algebraic Geometry
math.AP Analysis of PDEs
math.AT Algebraic Topology
math.CA Classical Analysis and ODEs
math.CO Combinatorics
math.CT Category Theory
math.CV Complex Variables
math.DG Differential Geometry
math.DS Dynamical Systems
math.FA Functional Analysis
math.GM General Mathematics
math.GN General Topology
math.GR Group Theory
math.GT Geometric Topology
math.HO History and Overview
math.IT=cs.IT Information Theory
math.KT K-Theory and Homology
math.LO Logic
math.MG Metric Geometry
math.MP=math-ph Mathematical Physics
math.NA Numerical Analysis
math.NT Number Theory
math.OA Operator Algebras
math.OC Optimization and Control
math.PR Probability
math.QA Quantum Algebra
math.RA Rings and Algebras
math.RT Representation Theory
math.SG Symplectic Geometry
math.SP Spectral Theory
math.ST Statistics Theory
q-alg>math.QA Quantum Algebra and Topology
# Physics
acc-phys>physics.acc-ph Accelerator Physics
adap-org>nlin.AO Adaptation, Noise, and Self-Organizing Systems
ao-sci>physics.ao-ph Atmospheric-Oceanic Sciences
astro-ph Astrophysics
astro-ph.CO Cosmology and Nongalactic Astrophysics
astro-ph.EP Earth and Planetary Astrophysics
astro-ph.GA Astrophysics of Galaxies
astro-ph.HE High Energy Astrophysical Phenomena
astro-ph.IM Instrumentation and Methods for Astrophysics
astro-ph.SR Solar and Stellar Astrophysics
atom-ph>physics.atom-ph Atomic, Molecular and Optical Physics
bayes-an>physics.data-an Bayesian Analysis
chao-dyn>nlin.CD Chaotic Dynamics
chem-ph>physics.chem-ph Chemical Physics
comp-gas>nlin.CG Cellular Automata and Lattice Gases
cond-mat Condensed Matter
cond-mat.dis-nn Disordered Systems and Neural Networks
cond-mat.mes-hall Mesoscale and Nanoscale Physics
cond-mat.mtrl-sci Materials Science
cond-mat.other Other Condensed Matter
cond-mat.quant-gas Quantum Gases
cond-mat.soft Soft Condensed Matter
cond-mat.stat-mech Statistical Mechanics
cond-mat.str-el Strongly Correlated Electrons
cond-mat.supr-con Superconductivity
gr-qc General Relativity and Quantum Cosmology
hep-ex High Energy Physics - Experiment
hep-lat High Energy Physics - Lattice
hep-ph High Energy Physics - Phenomenology
hep-th High Energy Physics - Theory
math-ph Mathematical Physics
mtrl-th>cond-mat.mtrl-sci Materials Theory
nlin.AO Adaptation and Self-Organizing Systems
nlin.CD Chaotic Dynamics
nlin.CG Cellular Automata and Lattice Gases
nlin.PS Pattern Formation and Solitons
nlin.SI Exactly Solvable and Integrable Systems
nucl-ex Nuclear Experiment
nucl-th Nuclear Theory
patt-sol>nlin.PS Pattern Formation and Solitons
physics.acc-ph Accelerator Physics
physics.ao-ph Atmospheric and Oceanic Physics
physics.app-ph Applied Physics
physics.atm-clus Atomic and Molecular Clusters
physics.atom-ph Atomic Physics
physics.bio-ph Biological Physics
physics.chem-ph Chemical Physics
physics.class-ph Classical Physics
physics.comp-ph Computational Physics
physics.data-an Data Analysis, Statistics and Probability
physics.ed-ph Physics Education
physics.flu-dyn Fluid Dynamics
physics.gen-ph General Physics
physics.geo-ph Geophysics
physics.hist-ph History and Philosophy of Physics
physics.ins-det Instrumentation and Detectors
physics.med-ph Medical Physics
physics.optics Optics
physics.plasm-ph Plasma Physics
physics.pop-ph Popular Physics
physics.soc-ph Physics and Society
physics.space-ph Space Physics
plasm-ph>physics.plasm-ph Plasma Physics
quant-ph Quantum Physics
solv-int>nlin.SI Exactly Solvable and Integrable Systems
supr-con>cond-mat.supr-con Superconductivity
# Quantitative Biology
q-bio Quantitative Biology
q-bio.BM Biomolecules
q-bio.CB Cell Behavior
q-bio.GN Genomics
q-bio.MN Molecular Networks
q-bio.NC Neurons and Cognition
q-bio.OT Other Quantitative Biology
q-bio.PE Populations and Evolution
q-bio.QM Quantitative Methods
q-bio.SC Subcellular Processes
q-bio.TO Tissues and Organs
# Quantitative Finance
q-fin.CP Computational Finance
q-fin.EC=econ.GN Economics
q-fin.GN General Finance
q-fin.MF Mathematical Finance
q-fin.PM Portfolio Management
q-fin.PR Pricing of Securities
q-fin.RM Risk Management
q-fin.ST Statistical Finance
q-fin.TR Trading and Market Microstructure
# Statistics
stat.AP Applications
stat.CO Computation
stat.ME Methodology
stat.ML Machine Learning
stat.OT Other Statistics
stat.TH=math.ST Statistics Theory
"""

_LINE = re.compile(r"^([^=> ]+)(?:([=>])(\S+))? (.+)$", re.MULTILINE)

# Archives that are not categories themselves.
_PURE_ARCHIVES = {
    "cs": "Computer Science",
    "econ": "Economics",
    "eess": "Electrical Engineering and Systems Science",
    "math": "Mathematics",
    "nlin": "Nonlinear Sciences",
    "physics": "Physics",
    "q-fin": "Quantitative Finance",
    "stat": "Statistics",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Category of papers, in use or historical."""

    code: str
    group: str
    name: str
    canonical: str
    """The code that arXiv displays; differs from *code* for aliases and subsumed archives."""
    subsumed: bool
    """True for archives that issued their last id in the 1990s."""

    @property
    def archive(self) -> str:
        """Archive of the code: ``cs`` for ``cs.DC``, ``hep-th`` for itself."""
        return self.code.partition(".")[0]


def is_category(code: str) -> bool:
    """Return True if *code*, in this exact spelling, is a category, an alias or historical."""
    return code in _categories()


def category(code: str) -> Category | None:
    """Return the category with this exact *code*, in use, an alias or historical; else None."""
    return _categories().get(code)


def canonical(code: str) -> str:
    """Return the code that arXiv displays: ``math.NA`` for ``cs.NA``; unknown codes unchanged."""
    known = _categories().get(code)
    return known.canonical if known else code


def aliases(code: str) -> frozenset[str]:
    """
    Return all codes of the category *code*, itself included.

    A paper may list both codes of an alias. Subsumed archives count as aliases of their category:
    ``cs.CL`` and ``cmp-lg``.
    """
    return _codes_by_canonical().get(canonical(code), frozenset()) | {code}


def expand(spec: str) -> frozenset[str]:
    """
    Return the codes that *spec* matches, with their aliases; empty if it matches none.

    Args:
        spec: A code (``cs.DC``), an archive (``cs``, ``astro-ph``: all its codes, and the bare code
            of old papers) or a prefix with a star (``cs.*``, ``hep-*``). Case is ignored.
    """
    wanted = spec.strip().lower()
    start = wanted.removesuffix("*") if wanted.endswith("*") else f"{wanted}."
    if start in {"", "."}:
        return frozenset()
    bare = start.removesuffix(".")
    codes = [c for c in _categories() if c.lower().startswith(start) or c.lower() == bare]
    return frozenset[str]().union(*(aliases(code) for code in codes))


def codes_in(text: str) -> tuple[str, ...]:
    """
    Return the codes and archives that *text* lists, however it separates them.

    Return nothing if there is anything else in it, such as the name of a category.
    """
    bare = re.sub(r"\bcat(?:egory)?:\s*", "", text)
    codes = [code for code in re.split(r"[\s,;+/|&()]+|\b(?:AND|OR|and|or)\b", bare) if code]
    return tuple(codes) if all(expand(code) for code in codes) else ()


def named(name: str) -> frozenset[str]:
    """Return the codes and aliases with the English *name*; case is ignored."""
    wanted = _key(name)
    codes = [c.code for c in _categories().values() if wanted and _key(c.name) == wanted]
    return frozenset[str]().union(*(aliases(code) for code in codes))


def suggest(spec: str) -> str | None:
    """Return the code closest to *spec* in spelling or English name, or None."""
    wanted = _key(spec)
    by_name = {_key(c.name): c.canonical for c in reversed(_categories().values())}
    exact = _by_key().get(wanted) or by_name.get(wanted)
    if exact:
        return exact
    near = difflib.get_close_matches(wanted, _by_key(), n=4, cutoff=0.7)
    if near:
        return _by_key()[max(near, key=lambda key: _similarity(key, wanted))]
    near = difflib.get_close_matches(wanted, by_name, n=1, cutoff=0.8)
    return by_name[near[0]] if near else None


def meant(code: str) -> str:
    """Return a hint such as ``; did you mean "cs.DS" (Data Structures and Algorithms)?``."""
    return f'; did you mean "{code}" ({name_of(code)})?'


def name_of(code: str) -> str:
    """Return the English name of a category or archive; unknown codes unchanged."""
    known = _categories().get(code)
    return known.name if known else _PURE_ARCHIVES.get(code, code)


@cache
def archives() -> tuple[str, ...]:
    """Return all archives in alphabetical order, including those found only in old ids."""
    return tuple(sorted({category.archive for category in _categories().values()}))


@cache
def _categories() -> dict[str, Category]:
    found: dict[str, Category] = {}
    for block in _TABLE.strip().removeprefix("# ").split("\n# "):
        group, _, lines = block.partition("\n")
        for code, sign, target, name in _LINE.findall(lines):
            found[code] = Category(
                code=code, group=group, name=name, canonical=target or code, subsumed=sign == ">"
            )
    return found


@cache
def _codes_by_canonical() -> dict[str, frozenset[str]]:
    """Return a map from each canonical code to all its codes."""
    found = defaultdict(set)
    for category in _categories().values():
        found[category.canonical].add(category.code)
    return {code: frozenset(names) for code, names in found.items()}


@cache
def _by_key() -> dict[str, str]:
    return {_key(code): code for code in [*_PURE_ARCHIVES, *_categories()]}


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _similarity(key: str, wanted: str) -> tuple[float, int]:
    """Return the similarity of *key* and *wanted*; ties go to the longer common prefix."""
    ratio = difflib.SequenceMatcher(None, key, wanted).ratio()
    same = (a == b for a, b in zip(key, wanted, strict=False))
    return ratio, sum(1 for _ in itertools.takewhile(bool, same))
