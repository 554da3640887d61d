using ILGPU;
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
    public void of_what_is_written_for_debuggers_names_of_files_and_numbers_of_lines_remain() => Assert.That(
        PtxSourceLines.Tidy("""
            .target sm_80, debug
            {

            	.loc	2 24 46
            	// return Group.IdxX & (columns - 1);
            	and.b32	%r1, %r2, %r3;

            	.loc	2 24 46
            	// return Group.IdxX & (columns - 1);

            	.loc	1 9 5
            	// Sum(a,
            	// b);
            	add.s32	%r4, %r1, %r1;

            	.loc	1 9 5
            	// Sum(a,
            	// b);
            	add.s32	%r5, %r4, %r1;
            }

            	.file	1 "/somebody/src/Sum.cs"
            	.file	2 "C:/somebody/src/Place.cs"

            .section.debug_info { }

            """),
        Is.EqualTo("""
            .target sm_80
            {
            	.loc	1 24 46
            	and.b32	%r1, %r2, %r3;
            	.loc	2 9 5
            	add.s32	%r4, %r1, %r1;
            	add.s32	%r5, %r4, %r1;
            }
            	.file	1 "Place.cs"
            	.file	2 "Sum.cs"

            """));

    [Test]
    public void every_kernel_says_its_lines_and_no_path()
    {
        using var compiler = new PtxCompiler(hopper);
        foreach (var kernel in KernelDefinition.All().DistinctBy(kernel => kernel.Method.Name))
        {
            var text = compiler.Compile(kernel).Text;
            var files = text.Split('\n').Where(line => line.StartsWith("\t.file", StringComparison.Ordinal)).Select(line => line.Split('"')[1]).ToArray();
            using (Assert.EnterMultipleScope())
            {
                Assert.That(files, Has.Some.StartsWith($"{kernel.Method.DeclaringType!.Name}."), kernel.Name);
                Assert.That(files, Is.Unique.And.None.Contains('/'), kernel.Name);
                Assert.That(text, Does.Not.Contain("debug"), "an assembler would not optimise");
            }
        }
    }

    [Test]
    public void a_kernel_whose_file_was_shortened_after_the_build_has_no_lines()
    {
        using var compiler = new PtxCompiler(hopper);
        Assert.That(compiler.Compile(new KernelDefinition(((Action<ArrayView<float>>)Shortened).Method)).Text, Does.Contain("st.global.f32").And.Not.Contain(".loc"));
    }

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

#line 1000000 // where this file has no line any more
    [Kernel(64)]
    private static void Shortened(ArrayView<float> output) => output[Group.IdxX] = 1;
#line default
}
