# SPDX-License-Identifier: Apache-2.0
"""The experiments of the articles, repeated: each part fills its section of docs/article.md."""
