"""The map of simulated England: invented LAs, their children, their deprivation, their neighbours.

Names and codes are invented so that no LA can be taken for a real one: codes are ``S90`` and six
digits, an entity type that the ONS does not use.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay, KDTree

from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.streams import stream

REGIONS = (
    "North Coast",
    "Western Fells",
    "Ridings and Wolds",
    "Upper Midlands",
    "Lower Midlands",
    "Eastern Levels",
    "Capital",
    "Southern Downs",
    "Far West",
)
# LAs in each region of the whole country; smaller countries keep the proportions.
_REGION_LAS = np.array([12, 23, 15, 9, 14, 11, 33, 19, 16])
_CAPITAL = REGIONS.index("Capital")
# fmt: off
_PREFIXES = (
    "Amber", "Almond", "Bramble", "Brindle", "Cinder", "Clover", "Copper", "Dapple", "Ember",
    "Feather", "Ginger", "Hazel", "Indigo", "Juniper", "Kestrel", "Lantern", "Marble", "Nutmeg",
    "Ochre", "Pepper", "Quill", "Russet", "Saffron", "Thimble", "Umber", "Velvet", "Willow",
    "Yarrow", "Zephyr", "Tansy",
)
_SUFFIXES = (
    "mere", "holt", "stead", "combe", "wick", "shaw", "fold", "march", "haven", "brook", "garth",
    "reach", "vale", "ness",
)
# fmt: on

# LA types outside the capital: how common, and the median number of children.
_TYPES = {
    "county": (27, 116_000),
    "metropolitan borough": (36, 70_000),
    "unitary authority": (56, 43_000),
}
_CAPITAL_TYPE, _CAPITAL_CHILDREN = "capital borough", 60_000
_SMALLEST, _LARGEST = 8_000, 300_000
_TINY_CHILDREN = (300, 1_000, 500, 750, 1_500)
# From how many LAs on a country has tiny ones and islands; smaller ones are for quick tests.
_WHOLE_COUNTRY = 20
_ISLANDS = 2

# England's children, relative to 2008: falling to 2006, growing since.
_CHILDREN_YEARS = (1990, 2001, 2006, 2008, 2010, 2014, 2020, 2035)
_CHILDREN_INDEX = (0.985, 1.012, 0.996, 1.0, 1.002, 1.043, 1.095, 1.06)
_GROWTH_SD = 0.005

DEPRIVATION_EDITIONS = (2004, 2007, 2010, 2015, 2019)
# The edition whose standardised score drives rates: the one in force in the middle of the window
# that most models read.
DRIVING_EDITION = 2010
NEIGHBOUR_EDITIONS = (2007, 2014)
NEIGHBOUR_RANKS = 10
# So few centres cannot be triangulated, or not without care.
_FEWEST_IN_TRIANGLES = 20


@dataclass(frozen=True)
class Places:
    """The LAs, in order of code. Arrays are (la) unless said otherwise; ``x_km`` and ``y_km`` are
    centres, ``island`` marks LAs that border on none.
    """

    code: np.ndarray
    name: np.ndarray
    region: np.ndarray
    la_type: np.ndarray
    x_km: np.ndarray
    y_km: np.ndarray
    island: np.ndarray
    children: np.ndarray
    growth: np.ndarray

    def distance_km(self) -> np.ndarray:
        """Distances between centres (la, la)."""
        return np.hypot(
            self.x_km[:, None] - self.x_km[None, :], self.y_km[:, None] - self.y_km[None, :]
        )

    def population(self, years: np.ndarray) -> np.ndarray:
        """True children aged 0-17 (la, year), whole numbers."""
        index = np.interp(years, _CHILDREN_YEARS, _CHILDREN_INDEX)
        drift = np.exp(self.growth[:, None] * (years - 2008)[None, :])
        return np.round(self.children[:, None] * index[None, :] * drift)


def region_sizes(las: int) -> np.ndarray:
    """How many of ``las`` LAs each region holds: largest remainders of the whole country's."""
    quota = las * _REGION_LAS / _REGION_LAS.sum()
    sizes = np.floor(quota).astype(int)
    largest = np.argsort(-(quota - sizes), kind="stable")[: las - sizes.sum()]
    sizes[largest] += 1
    return sizes


def invented_name(index: int) -> str:
    """Each index up to 420 has its own name; neighbours in code differ in both parts."""
    turn, prefix = divmod(index, len(_PREFIXES))
    return _PREFIXES[prefix] + _SUFFIXES[(turn + index) % len(_SUFFIXES)]


def draw_places(options: SimulationOptions) -> Places:
    """Invent the LAs."""
    las, seed = options.las, options.seed
    region = np.repeat(np.arange(len(REGIONS)), region_sizes(las))
    rng = stream(seed, "places")
    capital = region == _CAPITAL
    counts = np.array([count for count, _ in _TYPES.values()], float)
    drawn = rng.choice(len(_TYPES), size=las, p=counts / counts.sum())
    la_type = np.where(capital, _CAPITAL_TYPE, np.array(list(_TYPES))[drawn])
    typical = np.array([children for _, children in _TYPES.values()])[drawn]
    typical = np.where(capital, _CAPITAL_CHILDREN, typical)
    children = np.clip(typical * np.exp(0.42 * rng.standard_normal(las)), _SMALLEST, _LARGEST)
    growth = _GROWTH_SD * rng.standard_normal(las)

    # Regions lie on a grid of squares of 150 km; the capital is small and dense.
    spread = np.where(capital, 20.0, 70.0)
    x = 150.0 * (region % 3) + spread * rng.uniform(-1, 1, las)
    y = 150.0 * (2 - region // 3) + spread * rng.uniform(-1, 1, las)
    island = np.zeros(las, bool)
    if las >= _WHOLE_COUNTRY:
        order = rng.permutation(np.flatnonzero(~capital))
        tiny = order[: options.tiny_las]
        children[tiny] = _TINY_CHILDREN[: options.tiny_las]
        island[order[-_ISLANDS:]] = True
    return Places(
        code=np.array([f"S90{index:06d}" for index in range(1, las + 1)]),
        name=np.array([invented_name(index) for index in range(las)]),
        region=np.array(REGIONS)[region],
        la_type=la_type,
        x_km=x,
        y_km=y,
        island=island,
        children=children,
        growth=growth,
    )


def smooth_factor(places: Places, range_km: float) -> np.ndarray:
    """Cholesky factor (la, la) of the correlation exp(-distance / range)."""
    correlation = np.exp(-places.distance_km() / range_km)
    return np.linalg.cholesky(correlation + 1e-9 * np.eye(places.code.size))


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def draw_deprivation(options: SimulationOptions, places: Places) -> dict[str, np.ndarray]:
    """IMD and IDACI scores (la, edition), skewed and correlated like real ones, partly smooth in
    space; higher is more deprived. IDACI is the share of children in poor households.
    """
    las = places.code.size
    rng = stream(options.seed, "deprivation")
    smooth = smooth_factor(places, 80.0) @ rng.standard_normal(las)
    latent = np.sqrt(0.4) * smooth + np.sqrt(0.6) * rng.standard_normal(las)
    imd, idaci = [], []
    for edition in DEPRIVATION_EDITIONS:
        rng = stream(options.seed, "deprivation", edition)
        imd_z = latent + 0.17 * rng.standard_normal(las)
        idaci_z = latent + 0.35 * rng.standard_normal(las)
        imd.append(np.exp(3.03 + 0.36 * imd_z))
        idaci.append(np.clip(np.exp(-1.68 + 0.40 * idaci_z), 0.02, 0.7))
    return {
        "imd_score": np.round(np.stack(imd, 1), 3),
        "idaci_score": np.round(np.stack(idaci, 1), 4),
    }


def deprivation_z(scores: dict[str, np.ndarray]) -> np.ndarray:
    """The driving score (la): IMD of the driving edition, mean 0 and SD 1 over LAs."""
    return _standardised(scores["imd_score"][:, DEPRIVATION_EDITIONS.index(DRIVING_EDITION)])


def find_borders(places: Places) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of neighbouring LAs (edge), each once: the Gabriel graph of the centres, in which two
    LAs touch when no third lies in the circle between them. It is planar, and connected but for
    islands.
    """
    mainland = np.flatnonzero(~places.island)
    centres = np.column_stack([places.x_km, places.y_km])[mainland]
    first, second = np.triu_indices(mainland.size, 1)
    if mainland.size > _FEWEST_IN_TRIANGLES:
        # All such pairs are sides of the Delaunay triangles, of which there are far fewer.
        triangles = np.sort(Delaunay(centres).simplices, axis=1)
        sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [0, 2]], triangles[:, [1, 2]]])
        first, second = np.unique(sides, axis=0).T
    middle = (centres[first] + centres[second]) / 2
    half = np.linalg.norm(centres[first] - centres[second], axis=1) / 2
    # The two of the pair lie on the circle, but for rounding.
    nearest, _ = KDTree(centres).query(middle)
    touching = nearest >= half * (1 - 1e-9)
    return mainland[first[touching]], mainland[second[touching]]


def find_statistical_neighbours(places: Places, scores: dict[str, np.ndarray]) -> np.ndarray:
    """Codes of each LA's most similar LAs (la, rank, edition) by deprivation, children and type;
    blank where the country is too small.
    """
    las = places.code.size
    neighbours = np.full((las, NEIGHBOUR_RANKS, len(NEIGHBOUR_EDITIONS)), "", dtype="<U9")
    size = _standardised(np.log(places.children)) if np.ptp(places.children) else np.zeros(las)
    for position, edition in enumerate(NEIGHBOUR_EDITIONS):
        in_force = max(at for at, year in enumerate(DEPRIVATION_EDITIONS) if year <= edition)
        deprivation = _standardised(np.log(scores["imd_score"][:, in_force]))
        poverty = _standardised(np.log(scores["idaci_score"][:, in_force]))
        distance = (
            (deprivation[:, None] - deprivation) ** 2
            + (poverty[:, None] - poverty) ** 2
            + 0.5 * (size[:, None] - size) ** 2
            + (places.la_type[:, None] != places.la_type)
        )
        np.fill_diagonal(distance, np.inf)
        ranks = min(NEIGHBOUR_RANKS, las - 1)
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :ranks]
        neighbours[:, :ranks, position] = places.code[nearest]
    return neighbours
