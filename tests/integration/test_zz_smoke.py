import sys
sys.path.insert(0, "/tmp/w/audit/tests/integration")
from audit_office import *
def test_smoke(storage, tmp_path):
    office = AuditOffice(storage, tmp_path)
    refs = office.record(700)
    refs2 = office.record(3, SVEN)
    assert office.sealer.seal() == 703
    assert office.order() == refs
    assert office.order("south") == refs2
    more = office.record(70000)
    assert office.sealer.seal() == 50000
    assert office.sealer.seal() == 20000
    assert office.sealer.seal() == 0
    assert office.order() == refs+more
    print(office.rows("select tree,size,note from audit_checkpoint order by 1,2"))
    print(office.sealer.copy_checkpoints(), office.rows("select * from audit_checkpoint_copy"))
    print(office.rows("select tree, level, count(*), sum(length(hashes))/32 from audit_tile group by 1,2"))
