"""Prints tests/golden/tfidf.json: TF-IDF of a small multilingual corpus by scikit-learn.

python tests/golden/tfidf.py > tests/golden/tfidf.json

The word pattern is ours, written as a regular expression: runs of two or more word characters, and
single characters of scripts without blanks. scikit-learn's own pattern differs only in that it takes
a run of Han or kana as one word. scikit-learn cuts at `max_features` by the count of occurrences, we
cut by the number of documents, so no cut happens here.
"""
import json

from sklearn.feature_extraction.text import TfidfVectorizer

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
PATTERN = f"(?u)[{UNSPACED}]|[^\\W{UNSPACED}]{{2,}}"
PAIRS = [
    ("The cat sat on the mat. The cat slept!", "A dog sat on the mat, and the dog barked."),
    ("Die Katze saß auf der Matte; die Straße ist naß.", "Der Hund saß auf der Matte."),
    ("L'été, c'est la saison où le chat dort.", "En été le chat dort, mais le chien court 3,14 km."),
    ("Кошка сидела на коврике. КОШКА!", "Собака сидела на коврике и лаяла."),
    ("北京是中国的首都。北京很大。", "东京是日本の首都です。Tokyo is big."),
    ("def main():\n    return my_value_2 + 42", "def main():\n    return other_value"),
    ("", "The answer is 42."),
    ("The answer is 42.", "The answer is 42. The answer is 42."),
]


def vectors(vectorizer):
    documents = [text for pair in PAIRS for text in pair]
    matrix = vectorizer.fit_transform(documents).toarray()
    return {
        "terms": vectorizer.get_feature_names_out().tolist(),
        "idf": vectorizer.idf_.tolist(),
        "odd": [(matrix[2 * i] - matrix[2 * i + 1]).tolist() for i in range(len(PAIRS))],
    }


words = TfidfVectorizer(token_pattern=PATTERN, ngram_range=(1, 2), min_df=2, sublinear_tf=True)
plain = TfidfVectorizer(token_pattern=PATTERN, ngram_range=(2, 3), min_df=1, sublinear_tf=False)
characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True)
print(
    json.dumps(
        {
            "pairs": PAIRS,
            "words": vectors(words),
            "plain": vectors(plain),
            "characters": vectors(characters),
        },
        ensure_ascii=False,
    )
)
