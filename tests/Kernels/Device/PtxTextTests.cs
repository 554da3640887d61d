using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class PtxTextTests
{
    private static readonly ComputeCapability hopper = new(9, 0);

    [Test]
    public void labels_and_parameters_are_numbered_in_the_order_of_the_text() => Assert.That(
        PtxText.Renumber("""
            .visible .entry Kernel_X(.param .b32 _row_stride_940417, .param .b32 _x2_88)
            ld.param.b32	%r1_7, [_row_stride_940417+8];
            L_9397770:
            mov.b64	%rd1, __shared_alloca0;
            bra	L_9397770;
            """),
        Is.EqualTo("""
            .visible .entry Kernel_X(.param .b32 _row_stride_0, .param .b32 _x2_1)
            ld.param.b32	%r1_7, [_row_stride_0+8];
            L_2:
            mov.b64	%rd1, __shared_alloca0;
            bra	L_2;
            """));

    [Test]
    public void a_kernel_has_the_same_text_whatever_was_compiled_before()
    {
        var kernels = KernelDefinition.All().Where(kernel => kernel.Name.StartsWith("ObjectiveLoss", StringComparison.Ordinal)).ToArray();
        Assert.That(Texts(kernels.Reverse()).Reverse(), Is.EqualTo(Texts(kernels)));

        static string[] Texts(IEnumerable<KernelDefinition> kernels)
        {
            using var compiler = new PtxCompiler(hopper);
            return [.. kernels.Select(kernel => compiler.Compile(kernel).Text)];
        }
    }

    [Test]
    public void a_kernel_is_written_for_its_device_alone()
    {
        var kernels = KernelDefinition.All().ToDictionary(kernel => kernel.Name);
        using var old = new PtxCompiler(new ComputeCapability(7, 5));
        using var recent = new PtxCompiler(hopper);
        var forward = recent.Compile(kernels["TensorCoreContrastiveLoss.Forward.BFloat16Width64"]).Text;
        var normalize = kernels["DualBatchNorm.Normalize.Packet.Eight.BFloat16Packet"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(forward, Does.Contain(".extern .shared .align 128 .b8 __dyn_shared_alloca"));
            Assert.That(forward, Does.Not.Contain("call"), "what only the simulator does");
            Assert.That(recent.Compile(normalize).Text, Does.Contain("cvt.rn.bf16x2.f32"));
            Assert.That(old.Compile(normalize).Text, Does.Not.Contain("bf16"));
        }
    }
}
