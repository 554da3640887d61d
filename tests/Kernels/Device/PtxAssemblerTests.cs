using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class PtxAssemblerTests
{
    private static readonly ComputeCapability Hopper = new(9, 0);

    [Test]
    public void the_report_of_the_assembler_is_read()
    {
        const string Report = """
            ptxas info    : 0 bytes gmem
            ptxas info    : Compiling entry function 'Kernel_X' for 'sm_90'
            ptxas info    : Function properties for Kernel_X
                16 bytes stack frame, 20 bytes spill stores, 24 bytes spill loads
            ptxas info    : Used 150 registers, 35072 bytes smem, 400 bytes cmem[0]
            """;
        var used = PtxAssembler.Read(Report);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((used.Registers, used.SharedBytes, used.StackBytes, used.SpillBytes), Is.EqualTo((150, 35072, 16, 44)));
            Assert.That(used.StaysInRegisters, Is.False);
        }
    }

    [Test]
    public void a_kernel_compiles_to_text_that_old_drivers_take()
    {
        using var compiler = new PtxCompiler(Hopper);
        var text = compiler.Compile(Definition(Copy)).Text;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text, Does.Contain(".version 7.0"));
            Assert.That(text, Does.Contain(".target sm_80"));
            Assert.That(text, Does.Contain(".maxntid 64, 1, 1"));
        }
    }

    [Test]
    public void a_kernel_for_a_gpu_before_volta_is_refused() =>
        Assert.That(() => new PtxCompiler(new ComputeCapability(6, 1)), Throws.TypeOf<DeviceException>().With.Message.Contains("6.1 is too old"));

    [Test]
    public void a_method_that_is_not_a_kernel_is_refused() =>
        Assert.That(() => Definition(NoKernel), Throws.ArgumentException.With.Message.Contains("NoKernel is not a kernel"));

    [Test]
    public void registers_stack_and_instructions_of_the_machine_code_are_counted()
    {
        var assembler = PtxAssembler.Find();
        if (assembler is null)
        {
            Assert.Ignore("There is no ptxas on PATH (Debian: apt-get install nvidia-cuda-toolkit), so no machine code was looked at.");
        }

        using var compiler = new PtxCompiler(Hopper);
        var small = assembler.Assemble(compiler.Compile(Definition(Copy)), Hopper)!;
        var table = assembler.Assemble(compiler.Compile(Definition(Table)), Hopper)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(small.Registers, Is.InRange(4, 32));
            Assert.That(small.StaysInRegisters);
            Assert.That(table.StackBytes, Is.GreaterThanOrEqualTo(64), "a table of 16 numbers that is indexed by an argument lies on the stack");
            Assert.That(table.StaysInRegisters, Is.False);
        }
    }

    [Test]
    public void lines_of_the_source_change_no_instruction()
    {
        var assembler = PtxAssembler.Find();
        if (assembler is null)
        {
            Assert.Ignore("There is no ptxas on PATH (Debian: apt-get install nvidia-cuda-toolkit), so no machine code was looked at.");
        }

        using var compiler = new PtxCompiler(Hopper);
        foreach (var kernel in KernelDefinition.All().Where(kernel => kernel.Name.StartsWith("DualBatchNorm.Normalize", StringComparison.Ordinal)))
        {
            var compiled = compiler.Compile(kernel);
            var without = string.Join('\n', compiled.Text.Split('\n').Where(line => !line.StartsWith("\t.loc", StringComparison.Ordinal) && !line.StartsWith("\t.file", StringComparison.Ordinal)));
            var (with, plain) = (assembler.Assemble(compiled, Hopper)!, assembler.Assemble(compiled with { Text = without }, Hopper)!);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(without, Has.Length.LessThan(compiled.Text.Length));
                Assert.That(with with { Instructions = plain.Instructions }, Is.EqualTo(plain), kernel.Name);
                Assert.That(with.Instructions, Is.EqualTo(plain.Instructions), kernel.Name);
            }
        }
    }

    private static KernelDefinition Definition(Delegate kernel) => new(kernel.Method);

    [Kernel(64)]
    private static void Copy(ArrayView<float> input, ArrayView<float> output) => output[Group.IdxX] = input[Group.IdxX];

    [Kernel(64)]
    private static void Table(ArrayView<float> input, ArrayView<float> output, int index)
    {
        var table = LocalMemory.Allocate1D<float>(16);
        for (var i = 0; i < 16; i++)
        {
            table[(i * index) & 15] = input[i];
        }

        output[Group.IdxX] = table[index & 15];
    }

    private static void NoKernel(int number) => Assert.That(number, Is.Zero);
}
