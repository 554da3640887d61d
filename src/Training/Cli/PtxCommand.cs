using System.CommandLine;
using Pascl.Kernels.Device;

namespace Pascl.Training.Cli;

/// <summary><c>ptx</c>: the GPU code of every kernel, written and assembled without a GPU.</summary>
internal static class PtxCommand
{
    public const string Name = "ptx";

    private static readonly ComputeCapability[] Targets = [new(7, 5), new(8, 0), new(9, 0), new(10, 0)];

    public static Command Create()
    {
        var output = new Option<string>("--output")
        {
            HelpName = "folder",
            Description = "where the text is written: FOLDER/sm_90/KERNEL.ptx",
            DefaultValueFactory = _ => Path.Combine("artifacts", "ptx"),
        };
        var command = new Command(
            Name,
            "Writes the PTX of every kernel for four generations of GPUs. Where NVIDIA's ptxas is on PATH it also assembles them and shows what each uses. "
            + "Exit code 0 if every kernel stays in registers, 1 if one does not.")
        {
            output,
        };
        command.SetAction(parsed => Run(parsed.GetValue(output)!));
        return command.WithExamples("ptx", "ptx --output gpu-code");
    }

    private static int Run(string output)
    {
        var kernels = KernelDefinition.All();
        var assembler = PtxAssembler.Find();
        var inRegisters = true;
        var written = Targets.Select(PtxCompiler.TargetOf).Distinct().ToDictionary(target => target, target => Compile(kernels, target));
        foreach (var target in Targets)
        {
            var folder = Directory.CreateDirectory(Path.Combine(output, $"sm_{target.Major}{target.Minor}")).FullName;
            var compiled = written[PtxCompiler.TargetOf(target)];
            foreach (var kernel in compiled)
            {
                File.WriteAllText(Path.Combine(folder, $"{kernel.Definition.Name}.ptx"), kernel.Text);
            }

            Console.WriteLine($"{compiled.Length} kernels for compute capability {target} are in {folder}");
            inRegisters &= assembler is null || Assemble(assembler, compiled, target);
        }

        if (assembler is null)
        {
            Console.WriteLine("ptxas is not on PATH, so nothing was assembled. It is part of NVIDIA's CUDA toolkit.");
        }

        return inRegisters ? ExitCode.Done : ExitCode.CheckFailed;
    }

    private static PtxKernel[] Compile(IReadOnlyList<KernelDefinition> kernels, ComputeCapability target)
    {
        using var compiler = new PtxCompiler(target);
        return [.. kernels.Where(kernel => !kernel.NeedsTensorCores || target >= ComputeCapability.TensorCores).Select(compiler.Compile)];
    }

    private static bool Assemble(PtxAssembler assembler, PtxKernel[] kernels, ComputeCapability target)
    {
        var assembled = kernels.AsParallel().AsOrdered().Select(kernel => (kernel.Definition.Name, Resources: assembler.Assemble(kernel, target))).ToArray();
        if (assembled.Any(kernel => kernel.Resources is null))
        {
            Console.WriteLine($"This ptxas is too old for compute capability {target}, so these were not assembled.");
            return true;
        }

        string[] columns = ["kernel", "registers", "shared", "stack", "spills", .. PtxAssembler.Counted];
        ConsoleTable.Write($"Compute capability {target}", columns, [.. assembled.Select(kernel => Row(kernel.Name, kernel.Resources!))]);
        var failed = assembled.Where(kernel => !kernel.Resources!.StaysInRegisters).Select(kernel => kernel.Name).ToArray();
        if (failed.Length > 0)
        {
            Console.WriteLine($"Not in registers: {string.Join(", ", failed)}");
        }

        return failed.Length == 0;
    }

    private static string[] Row(string name, KernelResources used) =>
        [name, $"{used.Registers}", $"{used.SharedBytes}", $"{used.StackBytes}", $"{used.SpillBytes}", .. PtxAssembler.Counted.Select(counted => Count(used, counted))];

    private static string Count(KernelResources used, string instruction) => used.Instructions.TryGetValue(instruction, out var count) ? $"{count}" : "?";
}
