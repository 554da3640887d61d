using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;

namespace Pascl.Kernels.Device;

/// <summary>Compiles kernels to PTX, the text that a CUDA driver turns into machine code. Needs no GPU.</summary>
public sealed class PtxCompiler : IDisposable
{
    // The oldest instruction set with bfloat16 tensor-core instructions; drivers and assemblers since CUDA 11.0 take it.
    private static readonly CudaInstructionSet InstructionSet = CudaInstructionSet.ISA_70;

    private readonly Context context = Context.Create(builder => builder.Optimize(OptimizationLevel.O1).Inlining(InliningMode.Aggressive).EnableAlgorithms());
    private readonly PTXBackend backend;
    private readonly bool hasTensorCores;

    /// <summary>Creates a compiler for one kind of GPU.</summary>
    /// <param name="capability">At least 7.0. Code for a later GPU than 8.0 is written for 8.0, which they all take.</param>
    public PtxCompiler(ComputeCapability capability)
    {
        if (capability < ComputeCapability.Oldest)
        {
            throw new DeviceException($"Compute capability {capability} is too old; kernels need {ComputeCapability.Oldest} (Volta) or later.");
        }

        var target = TargetOf(capability);
        hasTensorCores = target >= ComputeCapability.TensorCores;
        backend = new PTXBackend(context, new CudaArchitecture(target.Major, target.Minor), InstructionSet, nvvmAPI: null!);
    }

    /// <summary>The GPU that code for another is written for: itself up to 8.0, and 8.0 for all later ones, which take it.</summary>
    public static ComputeCapability TargetOf(ComputeCapability capability) =>
        capability < ComputeCapability.TensorCores ? capability : ComputeCapability.TensorCores;

    /// <summary>Compiles a kernel.</summary>
    public PtxKernel Compile(KernelDefinition definition)
    {
        lock (backend)
        {
            var entryPoint = EntryPointDescription.FromExplicitlyGroupedKernel(definition.Method);
            var compiled = (PTXCompiledKernel)backend.Compile(
                entryPoint, definition.Specialization, new PtxPasses(hasTensorCores, definition.SavesRegisters));
            return new PtxKernel(definition, compiled.Name, PtxOperands.ToRegisters(compiled.PTXAssembly));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}

/// <summary>A kernel in PTX.</summary>
/// <param name="Definition">What was compiled.</param>
/// <param name="EntryPoint">The function's name in the text.</param>
/// <param name="Text">A PTX module with this function.</param>
public sealed record PtxKernel(KernelDefinition Definition, string EntryPoint, string Text);

/// <summary>
/// Keeps the operands of inline assembly in registers. ILGPU passes each of them through a variable of its own in local memory, and ptxas leaves these there in
/// a kernel with asynchronous copies, which is too slow for the inner loop of a matrix product.
/// </summary>
internal static partial class PtxOperands
{
    /// <summary>Replaces each variable that is only ever loaded and stored whole by a register.</summary>
    /// <param name="text">A PTX module as ILGPU writes it.</param>
    public static string ToRegisters(string text)
    {
        var lines = text.Split('\n');
        var slots = Slots(lines);
        return slots.Count == 0 ? text : string.Join('\n', lines.Select(line => Replace(line, slots)).OfType<string>());
    }

    // By the register that holds a variable's address, the variable. Whose address has any other use stays where it is.
    private static Dictionary<string, string> Slots(string[] lines)
    {
        var bits = lines.Select(line => Declaration().Match(line)).Where(match => match.Success).ToDictionary(match => match.Groups[1].Value, Bits);
        var slots = lines.Select(line => Address().Match(line))
            .Where(match => match.Success && bits.ContainsKey(match.Groups[2].Value))
            .GroupBy(match => match.Groups[1].Value)
            .Where(group => group.Count() == 1)
            .ToDictionary(group => group.Key, group => group.Single().Groups[2].Value);
        foreach (var line in lines.Where(line => !Address().IsMatch(line)))
        {
            var access = Access(line);
            foreach (var register in LongRegister().Matches(line).Select(match => match.Value).Where(slots.ContainsKey).ToArray())
            {
                if (register != access.Address || bits[slots[register]] != access.Bits)
                {
                    slots.Remove(register);
                }
            }
        }

        return slots;
    }

    private static string? Replace(string line, Dictionary<string, string> slots)
    {
        if (Declaration().Match(line) is { Success: true } declaration && slots.ContainsValue(declaration.Groups[1].Value))
        {
            return $"\t.reg .b{Bits(declaration)}\t{Name(declaration.Groups[1].Value)};";
        }

        if (Address().Match(line) is { Success: true } address && slots.ContainsKey(address.Groups[1].Value))
        {
            return null;
        }

        if (Load().Match(line) is { Success: true } load && slots.TryGetValue(load.Groups[3].Value, out var source))
        {
            return $"\tmov.{load.Groups[1].Value}\t{load.Groups[2].Value}, {Name(source)};";
        }

        return Store().Match(line) is { Success: true } store && slots.TryGetValue(store.Groups[2].Value, out var destination)
            ? $"\tmov.{store.Groups[1].Value}\t{Name(destination)}, {store.Groups[3].Value};"
            : line;
    }

    private static (string Address, string Bits) Access(string line)
    {
        var (load, store) = (Load().Match(line), Store().Match(line));
        return load.Success ? (load.Groups[3].Value, load.Groups[1].Value[1..])
            : store.Success ? (store.Groups[2].Value, store.Groups[1].Value[1..])
            : ("", "");
    }

    private static string Bits(Match declaration) => declaration.Groups[2].Value == "4" ? "32" : "64";

    private static string Name(string variable) => "%operand" + variable["__local_depot".Length..];

    [GeneratedRegex(@"^\s*\.local \.align \d+ \.b8 (__local_depot\d+)\[([48])\];")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"^\s*mov\.[bu]64\s+(%rd\d+), (__local_depot\d+);")]
    private static partial Regex Address();

    [GeneratedRegex(@"^\s*ld\.local\.([bfus]\d\d)\s+(%\w+), \[(%rd\d+)\];")]
    private static partial Regex Load();

    [GeneratedRegex(@"^\s*st\.local\.([bfus]\d\d)\s+\[(%rd\d+)\], ([^\[\]]+);")]
    private static partial Regex Store();

    [GeneratedRegex(@"%rd\d+")]
    private static partial Regex LongRegister();
}
