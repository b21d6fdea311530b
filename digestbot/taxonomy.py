"""
arXiv's categories: codes, names, archives and aliases.

Knows nothing of papers or filters. The table holds the facts of arXiv's own taxonomy
(arxiv-base, ``arxiv/taxonomy/definitions.py``); it is read at first use. Begin at `expand`.
"""

import difflib
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

# A line: the code; "=" and the canonical name if it is an alias, ">" and the new home if the
# archive was subsumed; its name. Lines with "# " begin a group.
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

# Archives that are never a paper's category themselves.
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
    """One code that stands, or once stood, on papers."""

    code: str
    group: str
    name: str
    canonical: str
    """The code that arXiv shows; the code itself unless it is an alias or was subsumed."""
    subsumed: bool
    """An archive that gave out its last identifier in the 1990s."""

    @property
    def archive(self) -> str:
        """``cs`` of ``cs.DC``; ``hep-th`` is both."""
        return self.code.partition(".")[0]


def is_category(code: str) -> bool:
    """Whether *code*, spelt exactly so, may stand on a paper of arXiv; aliases and old ones too."""
    return code in _categories()


def canonical(code: str) -> str:
    """The name that arXiv shows for *code*: ``math.NA`` for ``cs.NA``; what is unknown stays."""
    known = _categories().get(code)
    return known.canonical if known else code


def aliases(code: str) -> frozenset[str]:
    """
    All names of the category *code*, itself included; both sides of an alias may be on one paper.

    Subsumed archives are names of what took them in: ``cs.CL`` and ``cmp-lg``.
    """
    return _namesakes().get(canonical(code), frozenset()) | {code}


def expand(spec: str) -> frozenset[str]:
    """
    The codes that *spec* means, with their aliases; empty if it means none.

    Args:
        spec: A code (``cs.DC``), an archive (``cs``, ``astro-ph``: all of it, the bare code on old
            papers too) or a beginning with a star (``cs.*``, ``hep-*``). Case does not matter.
    """
    wanted = spec.strip().lower()
    start = wanted.removesuffix("*") if wanted.endswith("*") else f"{wanted}."
    if start in {"", "."}:
        return frozenset()
    bare = start.removesuffix(".")
    codes = [c for c in _categories() if c.lower().startswith(start) or c.lower() == bare]
    return frozenset[str]().union(*(aliases(code) for code in codes))


def named(name: str) -> frozenset[str]:
    """The codes, aliases too, whose English name is *name*; case does not matter."""
    wanted = _key(name)
    codes = [c.code for c in _categories().values() if wanted and _key(c.name) == wanted]
    return frozenset[str]().union(*(aliases(code) for code in codes))


def suggest(spec: str) -> str | None:
    """The code that *spec* probably stands for, by spelling or English name; None if nothing is."""
    wanted = _key(spec)
    by_name = {_key(c.name): c.canonical for c in reversed(_categories().values())}
    exact = _by_key().get(wanted) or by_name.get(wanted)
    if exact:
        return exact
    near = difflib.get_close_matches(wanted, _by_key(), n=4, cutoff=0.7)
    if near:
        return _by_key()[max(near, key=lambda key: _like(key, wanted))]
    near = difflib.get_close_matches(wanted, by_name, n=1, cutoff=0.8)
    return by_name[near[0]] if near else None


def meant(code: str) -> str:
    """``; did you mean "cs.DS" (Data Structures and Algorithms)?``"""
    return f'; did you mean "{code}" ({name_of(code)})?'


def name_of(code: str) -> str:
    """The English name of a category or archive; what is unknown is its own name."""
    known = _categories().get(code)
    return known.name if known else _PURE_ARCHIVES.get(code, code)


@cache
def archives() -> tuple[str, ...]:
    """All archives in alphabetical order, those too that live on only in old identifiers."""
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
def _namesakes() -> dict[str, frozenset[str]]:
    """Canonical code → all codes that mean it."""
    found = defaultdict(set)
    for category in _categories().values():
        found[category.canonical].add(category.code)
    return {code: frozenset(names) for code, names in found.items()}


@cache
def _by_key() -> dict[str, str]:
    return {_key(code): code for code in [*_PURE_ARCHIVES, *_categories()]}


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _like(key: str, wanted: str) -> tuple[float, int]:
    """How near *key* is to *wanted*; of equals the one with the longer common beginning."""
    ratio = difflib.SequenceMatcher(None, key, wanted).ratio()
    same = (a == b for a, b in zip(key, wanted, strict=False))
    return ratio, sum(1 for _ in itertools.takewhile(bool, same))
