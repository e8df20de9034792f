"""What an access key id tells offline, and how users are spread over scopes."""

import pytest

from backends.aws_iam import ids


def test_a_key_id_holds_its_account() -> None:
    assert ids.account_of("ASIAQNZGKIQY56JQ7WML") == "029608264753"
    assert ids.account_of("AKIARZPUZDIKJYOJD2EX") == "123456789012"


@pytest.mark.parametrize(
    "text", ["AKIAIOSFODNN7EXAMPLE", "AKIA00000000000000AA", "AKIA", "", "akiarzpuzdikjyojd2ex"]
)
def test_an_old_id_or_another_text_holds_none(text: str) -> None:
    assert ids.account_of(text) is None


def test_key_ids_are_found_inside_what_people_paste() -> None:
    text = 'aws_access_key_id = AKIARZPUZDIKJYOJD2EX\n"ASIAQNZGKIQY56JQ7WML",AKIATOOSHORT'
    assert ids.KEY_ID.findall(text) == ["AKIARZPUZDIKJYOJD2EX", "ASIAQNZGKIQY56JQ7WML"]
    assert not ids.KEY_ID.findall("xAKIARZPUZDIKJYOJD2EX AKIARZPUZDIKJYOJD2EXY")


def test_every_user_has_one_of_the_scopes_of_the_account() -> None:
    scopes = {ids.shard_of("123456789012", f"user-{number}") for number in range(400)}
    assert scopes == set(ids.shards("123456789012"))
