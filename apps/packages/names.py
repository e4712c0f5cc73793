"""Tells when a package's name is close to a well-known one: the usual way to be given the wrong package."""

# Names that people and models ask for most in small tools. Own choice; a hint for the reader, never a permission.
WELL_KNOWN = frozenset(
    """
    aiohttp altair anthropic arrow attrs babel bcrypt beautifulsoup4 black bokeh boto3 botocore cachetools
    celery certifi cffi chardet charset-normalizer click colorama coverage cryptography cycler dash dask django
    duckdb faker fastapi feedparser flask fonttools fpdf2 geopandas geopy gitpython google-api-python-client
    greenlet gunicorn h5py html5lib httpx humanize idna imageio jinja2 joblib jsonschema kiwisolver langchain
    lxml mako markdown markdown-it-py markdown2 markupsafe matplotlib mistune mypy networkx nltk numba numpy
    odfpy openai opencv-python openpyxl orjson packaging pandas paramiko passlib pdfminer-six pendulum
    phonenumbers pillow pip platformdirs playwright plotly polars protobuf psutil psycopg psycopg2 pyarrow
    pycparser pydantic pygments pyjwt pymongo pymupdf pymysql pyparsing pypdf pypdf2 pytest python-dateutil
    python-docx python-dotenv python-pptx python-slugify pytz pyyaml qrcode rapidfuzz redis regex reportlab
    requests rich ruamel-yaml s3fs scikit-image scikit-learn scipy scrapy seaborn selenium sentencepiece
    setuptools shapely six soupsieve spacy sqlalchemy starlette streamlit sympy tabulate tenacity tensorflow
    textblob tiktoken toml tomli torch tornado tqdm transformers typer typing-extensions tzdata ujson unidecode
    urllib3 uvicorn vadersentiment weasyprint websocket-client websockets werkzeug wheel wordcloud xlrd
    xlsxwriter xmltodict yarl zstandard
    """.split()  # noqa: SIM905  a list of 150 quoted words is no easier to read
)
_AFFIXES = ("python-", "py-", "py", "-python", "-py", "-lib", "lib")


def similar_names(name: str) -> list[str]:
    """Well-known names that this one could be mistaken for; empty when it is well known itself."""
    if name in WELL_KNOWN:
        return []
    return sorted(known for known in WELL_KNOWN if _could_be_mistaken(name, known))


def _could_be_mistaken(name: str, known: str) -> bool:
    if _bare(name) == _bare(known):
        return True
    allowed = 1 if len(known) < 8 else 2
    return len(known) > 3 and abs(len(name) - len(known)) <= allowed and distance(name, known) <= allowed


def _bare(name: str) -> str:
    for affix in _AFFIXES:
        stripped = name.removeprefix(affix) if not affix.startswith("-") else name.removesuffix(affix)
        if stripped != name and len(stripped) > 3:
            name = stripped
            break
    return name.replace("-", "")


def distance(first: str, second: str) -> int:
    """Edits between two words: insert, delete, replace, or swap two neighbours (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, here in enumerate(first, start=1):
        before, last, row = row, before, [i]
        for j, there in enumerate(second, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (here != there))
            if i > 1 and j > 1 and here == second[j - 2] and first[i - 2] == there:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
