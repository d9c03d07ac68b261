# SPDX-License-Identifier: Apache-2.0
from .images import image_query as image_query
from .library import Library as Library
from .query import Moment as Moment
from .query import Query as Query
from .query import SearchResult as SearchResult
from .tables import LibraryError as LibraryError
from .tag import Source as Source
from .tag import Tag as Tag
