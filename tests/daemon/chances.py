"""What both random tests of a controller draw from: the places of the rig's servers, and overrides of them."""

from hypothesis import strategies as st

from healthlb.model.endpoint import Endpoint
from healthlb.model.overrides import Override, Scope
from tests.daemon.rig import WEB1, WEB2, WEB3

SORRY = Endpoint("192.0.2.250", 80)
PLACES = (WEB1, WEB2, WEB3, SORRY)

overrides = st.builds(
    Override,
    st.builds(Scope, st.sampled_from([None, "shop"]), st.sampled_from([each.address for each in PLACES]), st.none()),
    admin=st.sampled_from(["drain", "disable", None]),
    weight=st.sampled_from([None, 0, 7]),
    remove=st.booleans(),
    deadline=st.sampled_from([None, 1050.0]),
)
