using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class MachineCodeTests
{
    [Test]
    public void the_larger_of_the_innermost_loops_is_the_hot_one()
    {
        // An outer loop from 0010 to 0090, in it one of three instructions and one of four; a way that leaves; a subroutine with a loop behind the end.
        var loop = MachineCode.Parse("""
                /*0000*/                   MOV R1, c[0x0][0x28] ;   /* 0x0 */
                                                                    /* 0x1 */
                /*0010*/                   IADD3 R1, R1, 0x1, RZ ;
                /*0020*/                   FADD R2, R2, R3 ;
                /*0030*/                   ISETP.GE.AND P0, PT, R1, R4, PT ;
                /*0040*/               @P0 BRA 0x20 ;
                /*0050*/                   MUFU.RCP R5, R6 ;
                /*0060*/                   I2F.RP R7, R8 ;
                /*0070*/              @!P1 CALL.REL.NOINC 0xb0 ;
                /*0080*/                   BRA.U UP0, 0x50 ;
                /*0090*/              @!P2 BRA 0x10 ;
                /*00a0*/                   EXIT ;
                /*00b0*/                   FMUL R9, R9, R9 ;
                /*00c0*/                   FMUL R9, R9, R9 ;
                /*00d0*/                   FMUL R9, R9, R9 ;
                /*00e0*/                   FMUL R9, R9, R9 ;
                /*00f0*/               @P3 BRA 0xb0 ;
                /*0100*/                   RET.REL.NODEC R10 0x0 ;
                /*0110*/                   BRA 0x110;
            """).HotLoop();
        Assert.That(loop, Is.EqualTo(new HotLoop(Instructions: 4, Calls: 1, Divisions: 1, SpecialFunctions: 1)));
    }

    [Test]
    public void both_ways_through_a_loop_count_and_what_only_leaves_it_does_not()
    {
        var loop = MachineCode.Parse("""
                /*0000*/               @P0 BRA 0x30 ;
                /*0010*/                   FADD R1, R1, R1 ;
                /*0020*/                   BRA 0x40 ;
                /*0030*/                   FMUL R1, R1, R1 ;
                /*0040*/              @!P1 BRA 0x70 ;
                /*0050*/               @P2 EXIT ;
                /*0060*/                   BRA 0x0 ;
                /*0070*/                   FFMA R1, R1, R1, R1 ;
                /*0080*/                   EXIT ;
            """).HotLoop();
        Assert.That(loop?.Instructions, Is.EqualTo(7));
    }

    [Test]
    public void where_there_are_tensor_core_products_loops_without_one_are_not_looked_at()
    {
        var loop = MachineCode.Parse("""
                /*0000*/                   HMMA.16816.F32.BF16 R4, R8, R12, R4 ;
                /*0010*/                   LDGSTS.E.BYPASS.128 [R1], [R2.64] ;
                /*0020*/               @P0 BRA 0x10 ;
                /*0030*/               @P1 BRA 0x0 ;
                /*0040*/                   EXIT ;
            """).HotLoop();
        Assert.That(loop?.Instructions, Is.EqualTo(4));
    }

    [Test]
    public void a_call_of_a_place_in_the_kernel_is_a_branch()
    {
        var loop = MachineCode.Parse("""
                /*0000*/                   FADD R1, R1, R1 ;
                /*0010*/               @P0 CALL.REL.NOINC 0x40 ;
                /*0020*/               @P1 CALL.REL.NOINC 0x60 ;
                /*0030*/                   BRA 0x0 ;
                /*0040*/               @P2 EXIT ;
                /*0050*/                   EXIT ;
                /*0060*/                   FADD R2, R2, R2 ;
                /*0070*/                   RET.REL.NODEC R10 0x0 ;
            """).HotLoop();
        Assert.That(loop, Is.EqualTo(new HotLoop(Instructions: 4, Calls: 1, Divisions: 0, SpecialFunctions: 0)));
    }

    [Test]
    public void code_without_a_loop_has_none() =>
        Assert.That(MachineCode.Parse("/*0000*/ FADD R1, R1, R1 ;\n/*0010*/ EXIT ;").HotLoop(), Is.Null);
}
