using System.CommandLine;
using Pascl.Kernels.Device;

namespace Pascl.Training.Cli;

/// <summary><c>ptx</c>: the GPU code of every kernel, written and assembled without a GPU.</summary>
internal static class PtxCommand
{
    public const string Name = "ptx";

    private static readonly ComputeCapability[] targets = [new(7, 5), new(8, 0), new(9, 0), new(10, 0), new(12, 0)];

    public static Command Create()
    {
        var names = new Argument<string[]>("KERNEL")
        {
            Description = "only kernels with this in their names, such as BatchNorm or Forward.BFloat16",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var output = new Option<string>("--output")
        {
            HelpName = "folder",
            Description = "where the text is written: FOLDER/sm_90/KERNEL.ptx",
            DefaultValueFactory = _ => Path.Combine("artifacts", "ptx"),
        };
        var command = new Command(
            Name,
            "Writes the PTX of every kernel for five generations of GPUs. Where NVIDIA's ptxas is on PATH it also assembles them and shows what each uses, and "
            + "with its cuobjdump the loop where each spends its time. Exit code 0 if every kernel stays in registers and within its bar, and divides in no loop; "
            + "1 if one does not.")
        {
            names,
            output,
        };
        command.SetAction(parsed => Run(parsed.GetValue(names)!, parsed.GetValue(output)!));
        return command.WithExamples("ptx", "ptx BatchNorm --output gpu-code");
    }

    private static int Run(string[] names, string output)
    {
        var kernels = KernelDefinition.All().Where(kernel => names.Length == 0 || names.Any(kernel.Name.Contains)).ToArray();
        if (kernels.Length == 0)
        {
            throw new InputException($"No kernel has {string.Join(" or ", names)} in its name; pascl ptx without names shows all.");
        }

        var assembler = PtxAssembler.Find();
        var isLean = true;
        var written = targets.Select(PtxCompiler.TargetOf).Distinct().ToDictionary(target => target, target => Compile(kernels, target));
        foreach (var target in targets)
        {
            var folder = Directory.CreateDirectory(Path.Combine(output, $"sm_{target.Major}{target.Minor}")).FullName;
            var compiled = written[PtxCompiler.TargetOf(target)];
            foreach (var kernel in compiled)
            {
                File.WriteAllText(Path.Combine(folder, $"{kernel.Definition.Name}.ptx"), kernel.Text);
            }

            Console.WriteLine($"{compiled.Length} kernels for compute capability {target} are in {folder}");
            isLean &= assembler is null || Assemble(assembler, compiled, target);
        }

        if (assembler is null)
        {
            Console.WriteLine("ptxas is not on PATH, so nothing was assembled. It is part of NVIDIA's CUDA toolkit.");
        }

        return isLean ? ExitCode.Done : ExitCode.CheckFailed;
    }

    private static PtxKernel[] Compile(IReadOnlyList<KernelDefinition> kernels, ComputeCapability target)
    {
        using var compiler = new PtxCompiler(target);
        return [.. kernels.Where(kernel => !kernel.NeedsTensorCores || target >= ComputeCapability.TensorCores).Select(compiler.Compile)];
    }

    private static bool Assemble(PtxAssembler assembler, PtxKernel[] kernels, ComputeCapability target)
    {
        var assembled = kernels.AsParallel().AsOrdered().Select(kernel => (kernel.Definition, Used: assembler.Assemble(kernel, target))).ToArray();
        if (assembled.Any(kernel => kernel.Used is null))
        {
            Console.WriteLine($"This ptxas is too old for compute capability {target}, so these were not assembled.");
            return true;
        }

        var rows = assembled.Select(kernel => KernelTable.Row(kernel.Definition, kernel.Used!)).ToArray();
        ConsoleTable.Write($"Compute capability {target}", [.. KernelTable.Columns], rows);
        var faults = assembled.SelectMany(kernel => KernelTable.Faults(kernel.Definition, kernel.Used!, target)).ToArray();
        foreach (var fault in faults)
        {
            Console.WriteLine(fault);
        }

        return faults.Length == 0;
    }
}
