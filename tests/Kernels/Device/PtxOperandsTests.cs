using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class PtxOperandsTests
{
    [Test]
    public void operands_of_inline_assembly_become_registers()
    {
        const string text = """
            	.local .align 4 .b8 __local_depot0[4];
            	.local .align 8 .b8 __local_depot1[8];
            	mov.b64	%rd1, __local_depot0;
            	mov.b64	%rd2, __local_depot1;
            	st.local.b32	[%rd1], 0;
            	st.local.f32	[%rd1], %f1;
            	ld.local.f32	%f2, [%rd1];
            	ld.local.b64	%rd3, [%rd2];
            """;
        Assert.That(PtxOperands.ToRegisters(text), Is.EqualTo("""
            	.reg .b32	%operand0;
            	.reg .b64	%operand1;
            	mov.b32	%operand0, 0;
            	mov.f32	%operand0, %f1;
            	mov.f32	%f2, %operand0;
            	mov.b64	%rd3, %operand1;
            """));
    }

    [TestCase("\tadd.u64\t%rd2, %rd1, 4;")]
    [TestCase("\tst.local.b64\t[%rd2], %rd1;")]
    [TestCase("\tld.local.b8\t%r1, [%rd1];")]
    [TestCase("\tld.local.b32\t%r1, [%rd1+4];")]
    [TestCase("\tmov.b64\t%rd1, __local_depot1;")]
    public void a_variable_whose_address_is_used_otherwise_stays_in_memory(string use)
    {
        var text = $"""
            	.local .align 4 .b8 __local_depot0[4];
            	.local .align 4 .b8 __local_depot1[4];
            	mov.b64	%rd1, __local_depot0;
            	st.local.b32	[%rd1], 0;
            {use}
            """;
        Assert.That(PtxOperands.ToRegisters(text), Is.EqualTo(text));
    }
}
