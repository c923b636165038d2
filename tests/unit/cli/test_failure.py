from pointsman.cli.failure import advice_on, wrong_door
from pointsman.domain.errors import SettingsError


def test_a_wrong_override_is_to_be_corrected_where_it_is() -> None:
    error = SettingsError("router.adress is not a setting", variable="POINTSMAN__ROUTER__ADRESS")

    assert advice_on(error) == "correct or unset POINTSMAN__ROUTER__ADRESS"


def test_a_variable_that_would_help_is_not_one_to_unset() -> None:
    error = SettingsError("it is in use", address="127.0.0.1:1", variable="POINTSMAN__ROUTER__ADDRESS")

    assert advice_on(error) == ""


def test_a_setting_of_the_file_is_told_by_its_message_alone() -> None:
    assert advice_on(SettingsError("router.adress is not a setting")) == ""


def test_the_usual_address_is_no_advice_where_that_is_the_wrong_one() -> None:
    usual = "127.0.0.1:50051"

    assert f"it listens at {usual} unless" in wrong_door("127.0.0.1:50053", wanted="Router", usual=usual)
    assert wrong_door(usual, wanted="Router", usual=usual) == (
        f"what listens at {usual} is no Router; name the Router's with --address"
    )
