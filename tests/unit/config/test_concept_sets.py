"""Concept sets: the shipped ones hold what they should, faults are all named, SQL resolves them."""

import json
from pathlib import Path

import duckdb
import pytest

from omop_scorer.config.atlas import atlas_to_yaml, read_atlas
from omop_scorer.config.concept_set import ConceptSet, ConceptSets
from omop_scorer.config.concept_sets import load_concept_sets
from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped

ATLAS = Path(__file__).parent / "atlas"


def through(first: int, last: int) -> set[int]:
    return set(range(first, last + 1))


# Typed from the list of OMOP concepts that the rules were written from, not from the YAML files.
INCLUDED = {
    "crp": {3020460, 3010156, 3051387, 42870365, 1091617, 1469985, 4208414},
    "crp_moles": {46234770, 46234771},
    "crp_observation_table": {37398482, 37398420},
    "bmi": {3038553, 36304833},
    "body_weight": {3025315, 3013762, 3023166, 3027492, 4099154},
    "body_height": {3036277},
    "operator_censored": {4171756, 4171754, 4172704, 4171755},
    "cd_ileal_definite": {4244235, 4055020, 37162890, 195575, 37172546}
    | through(46269878, 46269882),
    "cd_ileal_probable": {195585, 36686095, 37170274, 4212992} | through(46269883, 46269887),
    "cd_not_ileal_upper_or_jejunum": {
        *(4239382, 4055019, 4210469, 37162851, 42537666, 4340114),
        *(4342643, 37162871, 4266370, 4323289, 4055884, 4122617),
    },
    "cd_not_ileal_colon": {
        *(194684, 4177488, 4242392, 36715915, 37162889, 4131542, 4212991, 37172426, 37170088),
        *(46274073, 37116446),
    }
    | through(46269874, 46269877),
    "cd_location_unspecified": {
        *(201606, 4246693, 4264850, 4142544, 1340297, 36716695, 37162865, 4340812, 37116713),
        *(4290835, 4297644, 4297643, 4299294, 4292361, 37162884),
        *(36716986, 4115377, 4253620, 37111373),
    }
    | through(46269888, 46269891),
    "ulcerative_colitis": {81893, 46273477, 46273478, 75580, 46269843, 46269847},
    "adalimumab": {1119119},
    "infliximab": {937368},
    "certolizumab_pegol": {912263, 36857573},
    "ustekinumab": {40161532},
    "natalizumab": {735843},
    "vedolizumab": {45774639},
    "biologic_anti_tnf": {1119119, 937368, 912263, 36857573},
    "biologic_il12_23": {40161532},
    "biologic_integrin": {735843, 45774639},
    "etanercept": {1151789},
    "etrasimod": set(),
    "filgotinib": {35891916},
    "golimumab": {19041065},
    "guselkumab": {1593700},
    "mirikizumab": set(),
    "ozanimod": {37499437},
    "risankizumab": {1511348},
    "secukinumab": {45892883},
    "tildrakizumab": {35200139},
    "tofacitinib": {42904205},
    "upadacitinib": {1361580},
    "corticosteroid_always_systemic": {1551099, 1550557, 1506270, 1507705},
    "corticosteroid_by_form": {975125, 1518254, 939259, 1115572},
    "systemic_corticosteroid": {
        *(1551099, 1550557, 1506270, 1507705),
        *(975125, 1518254, 939259, 1115572),
    },
    "immunomodulator": {19014878, 1436650, 1305058},
    "dose_form_oral": {
        *(19082573, 19082168, 19082255, 19001949, 19082077, 19082079, 19082080, 19082076),
        *(44817840, 19135866, 19082170, 19082191, 45775490, 45775489, 19082651, 19095976),
        1592486,
    },
    "dose_form_injectable": {
        *(46234469, 19082103, 19082104, 19082106, 19126920, 46234466, 46234467, 46234468),
    },
    "dose_form_rectal_exclude": {
        *(19082627, 19082200, 19000942, 19082574, 19082197),
        *(19095917, 19082282, 19082283, 19082221, 19082199),
    },
    "dose_form_inhaled_nasal_exclude": {
        *(19127579, 19126918, 19082259, 19095898, 1356078, 37499223, 19011167, 19082165),
    },
    "dose_form_eye_ear_skin_exclude": {
        *(19129634, 19082167, 19135925, 19082195, 19082224, 19082227, 19095972),
    },
    "route_oral": {4132161, 4128794},
    "route_injected": {4171047, 4302612, 4142048},
    "route_local": {4290759, 45956874, 4263689, 4262914, 4184451, 4023156},
    "sex_male": {8507},
    "sex_female": {8532},
    "race_white": {8527},
    "race_black_or_african_american": {8516},
    "race_asian": {8515},
    "race_american_indian_or_alaska_native": {8657},
    "race_native_hawaiian_or_other_pacific_islander": {8557},
    "race_other": {8522},
}
INCLUDED["dose_form_local"] = (
    INCLUDED["dose_form_rectal_exclude"]
    | INCLUDED["dose_form_inhaled_nasal_exclude"]
    | INCLUDED["dose_form_eye_ear_skin_exclude"]
)


@pytest.fixture(scope="module")
def sets() -> ConceptSets:
    return load_concept_sets(shipped("configs") / "concept_sets")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_concept_sets(folder)
    return "\n".join(caught.value.problems)


# --- the shipped sets ---------------------------------------------------------------------------


def test_shipped_sets_hold_the_listed_concepts_and_no_other(sets: ConceptSets) -> None:
    found: dict[str, set[object]] = {name: set() for name in sets}
    for row in sets.item_rows():
        if not row["is_excluded"] and row["concept_id"] is not None:
            found[str(row["concept_set"])].add(row["concept_id"])
    assert found == INCLUDED


def test_concepts_without_a_known_id_are_found_by_code_or_name(sets: ConceptSets) -> None:
    named = [row for row in sets.item_rows() if row["concept_id"] is None]
    assert [
        (r["concept_set"], r["vocabulary_id"], r["concept_code"], r["concept_name"]) for r in named
    ] == [
        ("etrasimod", "RxNorm", None, "etrasimod"),
        ("mirikizumab", "RxNorm", None, "mirikizumab"),
        ("body_height", "LOINC", "3137-7", None),
    ]
    assert [r["concept_class_id"] for r in named] == ["Ingredient", "Ingredient", None]


def test_drugs_and_ulcerative_colitis_alone_include_descendants(sets: ConceptSets) -> None:
    for row in sets.item_rows():
        concept_set = sets[str(row["concept_set"])]
        rolls_up = "drug_exposure" in concept_set.tables or concept_set.name == "ulcerative_colitis"
        assert row["include_descendants"] is rolls_up, row


def test_no_shipped_concept_is_included_and_excluded(sets: ConceptSets) -> None:
    rows = sets.item_rows()
    included = {(r["concept_set"], r["concept_id"]) for r in rows if not r["is_excluded"]}
    excluded = {(r["concept_set"], r["concept_id"]) for r in rows if r["is_excluded"]}
    assert excluded
    assert not included & excluded


def test_names_and_codes_of_a_dozen_concepts(sets: ConceptSets) -> None:
    labels = {
        item.concept_id: (item.name, item.vocabulary_id, item.concept_code)
        for each in sets.values()
        for item in each.include
    }
    expected = {
        1119119: ("adalimumab", "RxNorm", "327361"),
        937368: ("infliximab", "RxNorm", "191831"),
        912263: ("certolizumab pegol", "RxNorm", "709271"),
        36857573: ("CERTOLIZUMAB", "RxNorm Extension", "OMOP5175190"),
        40161532: ("ustekinumab", "RxNorm", "847083"),
        45774639: ("vedolizumab", "RxNorm", "1538097"),
        3020460: ("C reactive protein [Mass/volume] in Serum or Plasma", "LOINC", "1988-5"),
        46234771: (
            "C reactive protein [Moles/volume] in Serum or Plasma by High sensitivity method",
            "LOINC",
            "76486-0",
        ),
        4055020: ("Crohn's disease of terminal ileum", "SNOMED", "196977009"),
        194684: ("Crohn's disease of large bowel", "SNOMED", "7620006"),
        1436650: ("mercaptopurine", "RxNorm", "103"),
        4171755: (">=", "SNOMED", None),
    }
    assert {i: labels[i] for i in expected} == expected


def test_every_shipped_item_says_what_it_is_and_how_that_is_known(sets: ConceptSets) -> None:
    for each in sets.values():
        for item in (*each.include, *each.exclude):
            assert item.name or item.concept_name, each.name
            assert item.vocabulary_id, each.name
            assert item.evidence, each.name


def test_a_set_is_counted_in_each_of_its_tables_once() -> None:
    crp = ConceptSet.from_ids("x", "X", [1], False, ["measurement", "observation", "measurement"])
    assert ConceptSets().table_rows({"x": crp}) == [
        {"concept_set": "x", "cdm_table": "measurement"},
        {"concept_set": "x", "cdm_table": "observation"},
    ]


# --- rows ---------------------------------------------------------------------------------------


def test_sets_of_the_run_file_join_the_shipped_ones(sets: ConceptSets) -> None:
    cohort = ConceptSet.from_ids("crohns_disease", "Cohort", [201606, 46269889], True)
    rows = [r for r in sets.item_rows({"c": cohort}) if r["concept_set"] == "crohns_disease"]
    assert rows == [
        {
            "concept_set": "crohns_disease",
            "concept_id": concept_id,
            "vocabulary_id": None,
            "concept_code": None,
            "concept_name": None,
            "concept_class_id": None,
            "include_descendants": True,
            "is_excluded": False,
        }
        for concept_id in (201606, 46269889)
    ]


def test_a_name_already_taken_is_refused(sets: ConceptSets) -> None:
    with pytest.raises(ConfigurationError, match="concept set crp: the run file defines this name"):
        sets.item_rows({"crp": ConceptSet.from_ids("crp", "Mine", [1], False)})


def test_the_hash_follows_members_and_tables_but_not_words(tmp_path: Path) -> None:
    text = "concept_sets:\n  a:\n    title: {}\n    source: s\n    tables: [{}]\n    include:\n"
    item = "      - {{concept_id: {}, descendants: {}}}\n"

    def sha256(title: str, table: str, concept_id: int, descendants: str) -> str:
        whole = text.format(title, table) + item.format(concept_id, descendants)
        write(tmp_path, "a.yaml", whole)
        return load_concept_sets(tmp_path).sha256

    first = sha256("One", "measurement", 1, "true")
    assert sha256("Two", "measurement", 1, "true") == first
    others = {
        sha256("One", "observation", 1, "true"),
        sha256("One", "measurement", 2, "true"),
        sha256("One", "measurement", 1, "false"),
    }
    assert len(others | {first}) == 4


def test_an_empty_set_is_allowed_and_has_no_rows(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "concept_sets:\n  a: {title: A, source: s}\n")
    sets = load_concept_sets(tmp_path)
    assert list(sets) == ["a"]
    assert sets.item_rows() == []


# --- faults -------------------------------------------------------------------------------------


def test_every_fault_of_every_file_is_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.yaml",
        """\
concept_sets:
  first:
    title: First
    source: s
    colour: red
    tables: [person]
    include:
      - {concept_id: '12', descendants: true}
      - {concept_id: 0, descendants: true}
      - {vocabulary_id: RxNorm, descendants: true}
      - {vocabulary_id: RxNorm, concept_code: 8640, descendants: true}
      - {concept_id: 7}
      - {concept_id: 7, concept_name: prednisone, descendants: 1}
      - {concept_id: 7, descendant: true, descendants: true}
      - {concept_id: 7, concept_name: prednisone, descendants: true}
  Second Set: {title: T, source: s}
  third: {title: T, source: s, include_sets: [first, nowhere]}
  fourth: {title: T, source: s, include_sets: [fifth]}
  fifth: {title: T, source: s, include_sets: [fourth]}
""",
    )
    write(tmp_path, "b.yml", "concept_sets:\n  third: {source: s}\nnote: x\n")
    write(tmp_path, "c.json", '{"items": [{"concept": {}}, {"concept": {"CONCEPT_ID": true}}]}')
    write(tmp_path, "d.yaml", "- 1\n")
    a, b, c, d = (tmp_path / name for name in ("a.yaml", "b.yml", "c.json", "d.yaml"))
    first = f"{a}: concept_sets.first"
    text = problems_of(tmp_path)
    for expected in (
        f"{first}.colour: no such key; allowed: title, tables, source, note, include_sets,",
        f"{first}.tables.0: found 'person'; it should be 'condition_occurrence', 'drug_expo",
        f"{first}.include.0.concept_id: found '12'; it should be a whole number",
        f"{first}.include.1.concept_id: found 0; it should be greater than or equal to 1",
        f"{first}.include.2: does not identify a concept; allowed: concept_id; or vocab",
        f"{first}.include.3.concept_code: found 8640; it should be text (a number that is a",
        f"{first}.include.4.descendants: missing",
        f"{first}.include.5.descendants: found 1; it should be true or false",
        f"{first}.include.6.descendant: no such key; allowed: concept_id, name, vocabulary",
        f"{first}.include.7: concept_name is for items without concept_id and concept_code;",
        f"{a}: concept_sets.Second Set.[key]: found 'Second Set'; it should match pattern",
        f"{a}: concept_sets.fourth.include_sets: the set includes itself: fourth > fifth > f",
        f"{a}: concept_sets.fifth.include_sets: the set includes itself: fifth > fourth > f",
        f"{b}: concept_sets.third.title: missing",
        f"{b}: note: no such key; allowed: concept_sets",
        f"{b}: concept_sets.third: already defined in {a}",
        f"{c}: c: items.0.concept.CONCEPT_ID: missing",
        f"{c}: c: items.1.concept.CONCEPT_ID: found True; it should be a whole number",
        f"{d}: the file as a whole: found [1]; it should be keys and values",
    ):
        assert expected in text
    # `nowhere` may stand in one of the files that could not be read.
    assert "nowhere" not in text
    assert len(text.splitlines()) == 19


def test_an_included_set_must_exist(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.yaml",
        "concept_sets:\n"
        "  a: {title: A, source: s, include_sets: [broken, nowhere]}\n"
        "  broken: {source: s}\n",
    )
    assert problems_of(tmp_path).splitlines() == [
        f"{tmp_path}/a.yaml: concept_sets.broken.title: missing",
        f"{tmp_path}/a.yaml: concept_sets.a.include_sets: no concept set 'nowhere'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", "concept_sets:\n  a: {title: A\n  b: 1\n", "line 3: not valid YAML"),
        ("a.yaml", "concept_sets:\n\ta: 1\n", "line 2: not valid YAML"),
        ("a.yaml", "concept_sets:\n  a: {}\n  a: {}\n", "line 3: not valid YAML: the key 'a' is"),
        ("a.yaml", "concept_sets: \x07\n", "not valid YAML: unacceptable character"),
        ("a.yaml", "concept_sets: *nothing\n", "line 1: not valid YAML: found undefined alias"),
        ("a.yaml", "", "the file as a whole: found None; it should be keys and values"),
        ("a.yaml", "concept_sets: [1]\n", "concept_sets: found [1]; it should be keys and values"),
        ("a.json", '{"items":\n [}', "line 2: not valid JSON"),
        ("a.json", "[1]", "a: items.0: found 1; it should be keys and values"),
        ("a.json", '"text"', "no concept set found; expected a concept set (items) or a cohort"),
        ("a.json", '{"name": "x", "expression": "{"}', "line 1: not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_line(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    path = write(tmp_path, name, text)
    found = problems_of(tmp_path)
    assert found.startswith(f"{path}: {expected}") or f"{path}: {expected}" in found


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe")
    assert problems_of(tmp_path).count("cannot be read") == 2


def test_a_folder_without_concept_sets_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert problems_of(folder).startswith(f"{folder}: no such folder, or no .yaml or .json")


# --- ATLAS --------------------------------------------------------------------------------------


def test_an_atlas_expression_is_named_after_its_file() -> None:
    (steroid,) = read_atlas(ATLAS / "steroid_items.json")
    assert steroid.name == "steroid_items"
    assert steroid.tables == ("drug_exposure",)
    assert [(i.concept_id, i.name, i.concept_code, i.descendants) for i in steroid.include] == [
        (1551099, "prednisone", "8640", True)
    ]
    assert [i.concept_id for i in steroid.exclude] == [40060699]


def test_an_exported_set_keeps_its_name_whatever_the_case_of_its_keys() -> None:
    (crp,) = read_atlas(ATLAS / "exported_set.json")
    assert (crp.name, crp.title, crp.tables) == (
        "site_crp_serum",
        "[Site] CRP, serum",
        ("measurement",),
    )
    (item,) = crp.include
    assert (item.concept_id, item.vocabulary_id, item.descendants) == (3020460, "LOINC", False)


def test_a_bare_list_of_items_is_a_set() -> None:
    (found,) = read_atlas(ATLAS / "bare_list.json")
    assert [(i.concept_id, i.descendants) for i in found.include] == [
        (201606, True),
        (4340812, False),
    ]


def test_a_cohort_definition_gives_each_of_its_sets(tmp_path: Path) -> None:
    definition = ATLAS / "cohort_definition.json"
    as_text = {"name": "Cohort", "expression": definition.read_text(encoding="utf-8")}
    inside = write(tmp_path, "webapi.json", json.dumps(as_text))
    for path in (definition, inside):
        crohns, biologics = read_atlas(path)
        assert (crohns.name, crohns.tables) == ("crohn_s_disease", ("condition_occurrence",))
        assert biologics.name == "biologics"
        assert [i.concept_id for i in biologics.include] == [1119119, 937368]


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    expression = {"items": []}
    named = [{"name": n, "expression": expression} for n in ("CRP!", "crp", "血")]
    path = write(tmp_path, "a.json", json.dumps({"conceptSets": named}))
    with pytest.raises(ConfigurationError) as caught:
        read_atlas(path)
    assert [text.removeprefix(f"{path}: ")[:6] for text in caught.value.problems] == [
        "'crp':",
        "'血': g",
    ]


def test_mapped_concepts_are_refused_and_never_dropped_in_silence(tmp_path: Path) -> None:
    item = {"concept": {"CONCEPT_ID": 201606}, "includeMapped": True}
    path = write(tmp_path, "a.json", json.dumps({"items": [item]}))
    for read in (read_atlas, atlas_to_yaml):
        with pytest.raises(ConfigurationError, match=r"items\.0\.includeMapped: .* allowed: false"):
            read(path)


@pytest.mark.parametrize("path", sorted(ATLAS.glob("*.json")), ids=lambda path: path.stem)
def test_an_atlas_file_turned_into_yaml_loads_as_the_same_sets(path: Path, tmp_path: Path) -> None:
    write(tmp_path, "imported.yaml", atlas_to_yaml(path))
    assert list(load_concept_sets(tmp_path).values()) == list(read_atlas(path))


def test_atlas_files_load_from_the_folder_beside_yaml(tmp_path: Path) -> None:
    write(tmp_path, "crp.json", (ATLAS / "bare_list.json").read_text(encoding="utf-8"))
    write(tmp_path, "b.yaml", "concept_sets:\n  b: {title: B, source: s, include_sets: [crp]}\n")
    rows = load_concept_sets(tmp_path).item_rows()
    assert {(r["concept_set"], r["concept_id"]) for r in rows} == {
        (name, concept_id) for name in ("b", "crp") for concept_id in (201606, 4340812)
    }


# --- resolution in SQL --------------------------------------------------------------------------

# id, name, vocabulary, code, class, standard
CONCEPTS = [
    (1, "Alpha", "RxNorm", "a", "Ingredient", "S"),
    (2, "Alpha 5 MG Oral Tablet", "RxNorm", "a5", "Clinical Drug", "S"),
    (3, "Alpha Enema", "RxNorm", "ae", "Clinical Drug", "S"),
    (4, "Alpha Enema Brand", "RxNorm", "aeb", "Branded Drug", "S"),
    (5, "BETA", "RxNorm", "b", "Ingredient", "S"),
    (6, "Beta", "RxNorm", "b-old", "Ingredient", None),
    (7, "beta", "RxNorm", "b-form", "Dose Form", "S"),
    (8, "beta", "ATC", "B01", "Ingredient", "S"),
    (9, "Beta 1 MG Injection", "RxNorm", "b1", "Clinical Drug", "S"),
    (10, "Height", "LOINC", "a", "Lab Test", "S"),
]
# The self-row of 1 is there, that of 3 and 5 is not.
ANCESTORS = [(1, 1), (1, 2), (1, 3), (1, 4), (3, 4), (5, 9)]

SETS = """\
concept_sets:
  all_alpha: {title: t, source: s, include: [{concept_id: 1, descendants: true}]}
  alpha_alone: {title: t, source: s, include: [{concept_id: 1, descendants: false}]}
  alpha_no_enema:
    title: t
    source: s
    include: [{concept_id: 1, descendants: true}]
    exclude: [{concept_id: 3, descendants: true}]
  alpha_no_enema_itself:
    title: t
    source: s
    include: [{concept_id: 1, descendants: true}]
    exclude: [{concept_id: 3, descendants: false}]
  no_self_row: {title: t, source: s, include: [{concept_id: 5, descendants: true}]}
  unknown_id: {title: t, source: s, include: [{concept_id: 999, descendants: true}]}
  by_code:
    title: t
    source: s
    include:
      - {vocabulary_id: LOINC, concept_code: a, descendants: false}
      - {vocabulary_id: RxNorm, concept_code: A, descendants: true}
  by_name:
    title: t
    source: s
    include:
      - vocabulary_id: RxNorm
        concept_name: Beta
        concept_class_id: Ingredient
        descendants: true
  excluded_by_code:
    title: t
    source: s
    include: [{concept_id: 1, descendants: true}]
    exclude: [{vocabulary_id: RxNorm, concept_code: ae, descendants: true}]
  twice: {title: t, source: s, include_sets: [alpha_alone, all_alpha, no_self_row]}
  inherits_exclusion: {title: t, source: s, include_sets: [alpha_no_enema]}
  empty: {title: t, source: s}
"""


def resolve(sets: ConceptSets) -> dict[str, list[int]]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA work; CREATE SCHEMA vocab")
        connection.execute(
            "CREATE TABLE vocab.concept (concept_id BIGINT, concept_name VARCHAR,"
            " vocabulary_id VARCHAR, concept_code VARCHAR, concept_class_id VARCHAR,"
            " standard_concept VARCHAR)"
        )
        connection.executemany("INSERT INTO vocab.concept VALUES (?, ?, ?, ?, ?, ?)", CONCEPTS)
        connection.execute(
            "CREATE TABLE vocab.concept_ancestor"
            " (ancestor_concept_id BIGINT, descendant_concept_id BIGINT)"
        )
        connection.executemany("INSERT INTO vocab.concept_ancestor VALUES (?, ?)", ANCESTORS)
        connection.execute(
            "CREATE TABLE work.concept_set_item (concept_set VARCHAR, concept_id BIGINT,"
            " vocabulary_id VARCHAR, concept_code VARCHAR, concept_name VARCHAR,"
            " concept_class_id VARCHAR, include_descendants BOOLEAN, is_excluded BOOLEAN)"
        )
        connection.executemany(
            "INSERT INTO work.concept_set_item VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [list(row.values()) for row in sets.item_rows()],
        )
        texts = [
            (shipped("sql") / "cohort" / f"{name}.sql").read_text(encoding="utf-8")
            for name in ("concept_set_root", "concept_named")
        ]
        connection.execute(f"CREATE TABLE work.concept_set_root AS {texts[0]}")
        members = connection.execute(texts[1]).fetchall()
    assert len(members) == len(set(members))
    found: dict[str, list[int]] = {}
    for name, concept_id, is_excluded in sorted(members):
        if not is_excluded:
            found.setdefault(name, []).append(concept_id)
    return found


def test_members_are_found_in_the_vocabulary(tmp_path: Path) -> None:
    write(tmp_path, "sets.yaml", SETS)
    assert resolve(load_concept_sets(tmp_path)) == {
        "all_alpha": [1, 2, 3, 4],
        "alpha_alone": [1],
        "alpha_no_enema": [1, 2],
        "alpha_no_enema_itself": [1, 2, 4],
        "no_self_row": [5, 9],
        "unknown_id": [999],
        "by_code": [10],
        "by_name": [5, 9],
        "excluded_by_code": [1, 2],
        "twice": [1, 2, 3, 4, 5, 9],
        "inherits_exclusion": [1, 2],
    }


def test_shipped_sets_resolve_without_a_vocabulary_to_their_own_ids(sets: ConceptSets) -> None:
    without_id = {"etrasimod", "mirikizumab"}
    assert resolve(sets) == {
        name: sorted(ids) for name, ids in INCLUDED.items() if name not in without_id
    }
