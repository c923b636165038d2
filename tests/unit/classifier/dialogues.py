"""Short dialogues written by hand: the turns before, oldest first, what the user says last, and what that is."""

from typing import Final

from pointsman.domain.category import CODING, QUICK, REASONING, REVIEW, VISION

Dialogue = tuple[tuple[str, ...], str, str]

FOLLOW_UPS: Final[tuple[Dialogue, ...]] = (
    (
        (
            "Write a function that reverses a linked list in Java.",
            "class Node { Node next; }\nNode reverse(Node head) { … }",
        ),
        "and in Python?",
        CODING,
    ),
    (
        ("how do I list all files over 1 GB with bash", "find / -type f -size +1G"),
        "what about on windows",
        CODING,
    ),
    (
        (
            "파이썬으로 CSV 파일을 읽는 함수를 짜줘",
            "import csv\n\ndef read(path):\n    with open(path) as f:\n        return list(csv.reader(f))",
        ),
        "그럼 자바로는?",
        CODING,
    ),
    (
        (
            "이 SQL 쿼리가 왜 느린지 봐줘: SELECT * FROM orders WHERE YEAR(created) = 2026",
            "인덱스를 타지 못하기 때문입니다.",
        ),
        "그럼 어떻게 바꿔?",
        CODING,
    ),
    (
        ("Write a regex for Dutch postcodes.", r"^[1-9][0-9]{3} ?[A-Z]{2}$"),
        "now make the space mandatory",
        CODING,
    ),
    (
        ("Fix this: for i in range(10) print(i)", "for i in range(10):\n    print(i)"),
        "it still fails",
        CODING,
    ),
    (
        ("Who wrote Emma?", "Jane Austen wrote Emma, published in 1815."),
        "and Middlemarch?",
        QUICK,
    ),
    (
        ("What is the capital of Peru?", "Lima."),
        "and Chile?",
        QUICK,
    ),
    (
        ("프랑스 수도가 어디야?", "파리입니다."),
        "그럼 독일은?",
        QUICK,
    ),
    (
        ("'좋은 아침'을 영어로 뭐라고 해?", "Good morning."),
        "그럼 일본어로는?",
        QUICK,
    ),
    (
        ("Translate into German: Where is the station?", "Wo ist der Bahnhof?"),
        "그럼 한국어로는?",
        QUICK,
    ),
    (
        ("Suggest a name for my cat", "How about Miso?"),
        "another one",
        QUICK,
    ),
    (
        ("Proofread this: Me and him goes to the office yesterday.", "He and I went to the office yesterday."),
        "more formal please",
        REVIEW,
    ),
    (
        (
            "Make this mail to my boss friendlier: I need the report now.",
            "Could you send me the report when you have a moment?",
        ),
        "shorter",
        REVIEW,
    ),
    (
        ("이 문장 맞춤법 좀 봐줘: 어제 친구랑 영화를 보았읍니다.", "어제 친구랑 영화를 보았습니다."),
        "좀 더 공손하게",
        REVIEW,
    ),
    (
        ("자기소개서 첫 문단을 다듬어줘: 저는 성실한 사람 입니다.", "저는 맡은 일을 끝까지 해내는 사람입니다."),
        "너무 길어, 더 짧게",
        REVIEW,
    ),
    (
        (
            "A train leaves at 9 at 80 km/h, another at 10 from the same station at 120 km/h. When does it catch up?",
            "The first is 80 km ahead. The difference is 40 km/h, so after 2 hours: at noon.",
        ),
        "and if it only goes 100?",
        REASONING,
    ),
    (
        (
            "Compare renting and buying a flat for a family that moves in five years. Weigh the costs.",
            "Over five years renting is cheaper unless prices rise by more than 3 % a year.",
        ),
        "what if we stay ten years?",
        REASONING,
    ),
    (
        (
            "두 창고 중 어디에 재고를 둘지 비용과 위험을 비교해서 계획을 세워줘",
            "A 창고는 임대료가 낮지만 배송이 하루 더 걸립니다.",
        ),
        "그럼 물량이 두 배가 되면?",
        REASONING,
    ),
    (
        ("주머니에 빨간 공 3개와 파란 공 5개가 있다. 두 개를 뽑을 때 같은 색일 확률을 구해줘", "13/28 입니다."),
        "세 개를 뽑으면?",
        REASONING,
    ),
    (
        ("What is in the photo that I attached?", "A dog on a beach."),
        "and in the background?",
        VISION,
    ),
    (
        ("첨부한 사진 속 메뉴판에 뭐라고 적혀 있어?", "비빔밥 9,000원이라고 적혀 있습니다."),
        "그 아래에는?",
        VISION,
    ),
)
"""The last turn says little alone: the kind of work goes on."""

NEW_TOPICS: Final[tuple[Dialogue, ...]] = (
    (
        (
            "Write a function that reverses a linked list in Java.",
            "class Node { Node next; }\nNode reverse(Node head) { … }",
        ),
        "thanks!",
        QUICK,
    ),
    (
        ("Who wrote Emma?", "Jane Austen wrote Emma, published in 1815."),
        "Write a bash loop that renames all .txt files to .md",
        CODING,
    ),
    (
        ("Fix this: for i in range(10) print(i)", "for i in range(10):\n    print(i)"),
        "What's the capital of Peru?",
        QUICK,
    ),
    (
        ("파이썬으로 CSV 파일을 읽는 함수를 짜줘", "import csv\n\ndef read(path): ..."),
        "오늘 점심 뭐 먹지?",
        QUICK,
    ),
    (
        ("프랑스 수도가 어디야?", "파리입니다."),
        "이 문장 자연스럽게 고쳐줘: 나는 학교를 갔습니다",
        REVIEW,
    ),
    (
        ("Proofread this: Me and him goes to the office yesterday.", "He and I went to the office yesterday."),
        "Prove that the square root of 2 is irrational.",
        REASONING,
    ),
    (
        (
            "Compare renting and buying a flat for a family that moves in five years.",
            "Renting is cheaper over five years.",
        ),
        "thx, how do I say that in French?",
        QUICK,
    ),
    (
        ("이 SQL 쿼리가 왜 느린지 봐줘: SELECT * FROM orders", "인덱스가 없습니다."),
        "고마워!",
        QUICK,
    ),
)
"""The last turn says enough: what came before counts for nothing."""

SECOND_SITTING: Final[tuple[Dialogue, ...]] = (
    (("Create a Dockerfile for a Flask app.", "FROM python:3.12\n..."), "can it run as non-root?", CODING),
    (
        ("Why does my React component re-render forever?", "Because the effect sets state it depends on."),
        "ok and how do i stop that",
        CODING,
    ),
    (("자바스크립트로 배열 중복 제거하는 코드", "[...new Set(a)]"), "타입스크립트 버전도", CODING),
    (("깃에서 커밋 되돌리는 명령어 알려줘", "git revert HEAD"), "푸시한 다음에도 돼?", CODING),
    (
        ("unit test for this: def add(a,b): return a+b", "def test_add(): assert add(1,2)==3"),
        "add negative numbers",
        CODING,
    ),
    (("What's the tallest mountain in Africa?", "Kilimanjaro, 5,895 m."), "in Europe?", QUICK),
    (("Write a birthday text for grandma", "Happy birthday dear grandma!"), "funnier", QUICK),
    (("부산 날씨 어때?", "맑습니다."), "내일은?", QUICK),
    (("아이슬란드 화폐 단위가 뭐야?", "크로나입니다."), "노르웨이도 같아?", QUICK),
    (
        (
            "Summarise this article in one sentence: The council voted to close two libraries.",
            "Two libraries will close.",
        ),
        "as three bullets",
        QUICK,
    ),
    (
        ("Edit my cover letter: I am writing for apply to the job.", "I am writing to apply for the job."),
        "less stiff",
        REVIEW,
    ),
    (
        ("Does this paragraph flow? The sea was calm. It was calm.", "The repetition jars; merge the sentences."),
        "and the ending?",
        REVIEW,
    ),
    (("이 메일 말투 좀 부드럽게 바꿔줘: 빨리 회신하세요.", "빠른 회신 부탁드립니다."), "한 번만 더 다듬어", REVIEW),
    (("보고서 문단 교정해줘: 매출이 증가 하였음", "매출이 증가하였습니다."), "이번엔 반말로", REVIEW),
    (
        ("Prove that there are infinitely many primes.", "Suppose finitely many; multiply and add one..."),
        "does it work for odd ones only?",
        REASONING,
    ),
    (
        (
            "Should we build or buy our billing system? Team of four, two years horizon.",
            "Buy, unless billing is your edge.",
        ),
        "assume the team doubles",
        REASONING,
    ),
    (
        ("시속 60km와 90km로 마주 달리는 두 기차가 300km 떨어져 있다. 언제 만나?", "2시간 뒤입니다."),
        "처음 거리가 450이면?",
        REASONING,
    ),
    (("1부터 100까지 3과 5의 배수 합을 구하고 과정을 설명해줘", "2418입니다."), "7의 배수까지 포함하면", REASONING),
    (("What does the screenshot I sent show?", "An error dialog."), "which button is red", VISION),
    (("이 그림에 동물이 몇 마리 있어? (이미지 첨부)", "세 마리입니다."), "왼쪽 건 뭐야?", VISION),
    (("Write a python script to resize images", "from PIL import Image"), "how tall is the Eiffel tower", QUICK),
    (("Fix the grammar: he go home", "He goes home."), "Explain why 0.999… equals 1, step by step", REASONING),
    (("What's 5 feet in cm?", "152.4"), "sql to find duplicate emails", CODING),
    (("코드 리뷰 해줘: def f(x): return x", "괜찮습니다."), "서울 인구가 몇 명이야?", QUICK),
    (("Who painted Guernica?", "Picasso."), "proofread: their going too the museum", REVIEW),
    (("compare postgres and mysql for our analytics load", "Postgres..."), "lol ok", QUICK),
    (("파이썬 데코레이터 예제 코드 보여줘", "def deco(f): ..."), "ㄳ", QUICK),
    (("Plan a migration of our warehouse in 6 steps with risks", "1. ..."), "In what year did Rome fall?", QUICK),
)
"""Twenty that go on and eight that do not, written after the rule, which was then mended a little (README)."""
