"""A category that settings add, with the prompts of a person who would."""

from typing import Final

from pointsman.config.settings import CategorySettings

LEGAL: Final = CategorySettings(
    description="questions about law, contracts, rights and duties",
    examples=(
        "Can my landlord keep the deposit if I leave a month early?",
        "Is a verbal agreement binding for a freelance job?",
        "What notice period does the law require for a lease?",
        "My employer wants me to sign a non-compete, is it enforceable?",
        "계약서에 위약금 조항이 없으면 손해배상을 청구할 수 있나요?",
        "전세 보증금을 돌려받지 못하면 어떤 법적 절차를 밟아야 하나요?",
        "해고 통보는 며칠 전에 해야 법적으로 유효한가요?",
        "상속을 포기하려면 어떻게 해야 하나요?",
    ),
)

OF_LEGAL: Final = (
    "Is the landlord allowed to keep my deposit?",
    "Does a freelance contract need a signature to be binding?",
    "Is a non-compete clause enforceable in California?",
    "임대차 계약을 중도 해지하면 위약금을 내야 하나요?",
    "저작권 침해로 손해배상 청구 가능한가요?",
)
"""Prompts that belong to it and are not among its examples."""
