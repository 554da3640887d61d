using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

public sealed class KernelTableTests
{
    private const string WritesPage = "PASCL_WRITE_DOCS";
    private const string Release = "11.8";

    private static readonly ComputeCapability hopper = new(9, 0);

    [Test]
    public void a_hot_loop_that_calls_divides_or_grows_is_a_fault()
    {
        var barred = KernelDefinition.All().First(kernel => kernel is { HotLoopBar: not null, MayDivide: false });
        var dividing = KernelDefinition.All().First(kernel => kernel.MayDivide);
        var bar = barred.HotLoopBar!.Value;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Faults(barred, new HotLoop(bar, 0, 0, 9)), Is.Empty);
            Assert.That(Faults(barred, new HotLoop(bar + 1, 0, 0, 0)), Is.EqualTo(
                new[] { $"The hot loop of {barred.Name} has {bar + 1} instructions; it may have {bar}." }));
            Assert.That(Faults(barred, new HotLoop(1, 2, 1, 0)), Is.EqualTo(
                new[] { $"The hot loop of {barred.Name} has 2 calls and 1 divisions of integers; it must have none." }));
            Assert.That(Faults(dividing, new HotLoop(1, 1, 1, 0)), Is.Empty);
        }

        static IEnumerable<string> Faults(KernelDefinition kernel, HotLoop loop) =>
            KernelTable.Faults(kernel, new KernelResources(32, 0, 0, 0) { HotLoop = loop }, hopper);
    }

    [Test]
    public void the_readme_of_the_kernels_has_the_table_and_no_kernel_has_a_fault()
    {
        var assembler = PtxAssembler.Find();
        if (assembler?.Release != Release)
        {
            Assert.Ignore($"The table is made by ptxas and cuobjdump {Release} (Debian: apt-get install nvidia-cuda-toolkit), which are not on PATH.");
        }

        using var compiler = new PtxCompiler(hopper);
        var kernels = KernelDefinition.All().Select(kernel => (Kernel: kernel, Used: assembler.Assemble(compiler.Compile(kernel), hopper)!)).ToArray();
        Assert.That(kernels.SelectMany(kernel => KernelTable.Faults(kernel.Kernel, kernel.Used, hopper)), Is.Empty);
        var (path, table) = (Path.Combine(Repository.Root, "src", "Kernels", "README.md"), KernelTable.Markdown(kernels));
        var page = File.ReadAllText(path);
        var start = page.IndexOf("| kernel |", StringComparison.Ordinal);
        var end = page.IndexOf("\n\n", start, StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable(WritesPage) == "1")
        {
            File.WriteAllText(path, $"{page[..start]}{table}{page[end..]}");
            return;
        }

        Assert.That(
            page[start..end], Is.EqualTo(table),
            $"{path} is out of date; run {WritesPage}=1 dotnet test -c Release --filter \"FullyQualifiedName~{nameof(KernelTableTests)}\" to update it.");
    }
}
