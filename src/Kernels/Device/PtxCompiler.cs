using System.Runtime.CompilerServices;
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

    // The least with which ILGPU writes lines of C# into PTX; they are read from a .pdb beside the kernels, and missing where there is none.
    private const DebugSymbolsMode Lines = DebugSymbolsMode.KernelSourceAnnotations;

    private readonly ComputeCapability target;
    private readonly Lock compiling = new();
    private Context context;
    private PTXBackend backend;

    /// <summary>Creates a compiler for one kind of GPU.</summary>
    /// <param name="capability">At least 7.0. Code for a later GPU than 8.0 is written for 8.0, which they all take.</param>
    public PtxCompiler(ComputeCapability capability)
    {
        if (capability < ComputeCapability.Oldest)
        {
            throw new DeviceException($"Compute capability {capability} is too old; kernels need {ComputeCapability.Oldest} (Volta) or later.");
        }

        target = TargetOf(capability);
        (context, backend) = Open(Lines);
    }

    /// <summary>The GPU that code for another is written for: itself up to 8.0, and 8.0 for all later ones, which take it.</summary>
    public static ComputeCapability TargetOf(ComputeCapability capability) =>
        capability < ComputeCapability.TensorCores ? capability : ComputeCapability.TensorCores;

    /// <summary>Compiles a kernel.</summary>
    /// <exception cref="DeviceException">ILGPU cannot compile it; the message has its reason.</exception>
    public PtxKernel Compile(KernelDefinition definition)
    {
        lock (compiling)
        {
            try
            {
                return Translate(definition);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Reopen(DebugSymbolsMode.Disabled);
            }

            // ILGPU reads the files of the lines, if they are where they were built, and fails where one has become shorter since.
            try
            {
                return Translate(definition);
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                Reopen(Lines);
                throw new DeviceException($"{definition.Name} could not be compiled for a GPU: {exception.GetBaseException().Message}");
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }

    // ILGPU's Builder.DebugSymbols checks the mode and sets nothing (1.5.3).
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "set_DebugSymbolsMode")]
    private static extern void SetDebugSymbols(ContextProperties properties, DebugSymbolsMode mode);

    private PtxKernel Translate(KernelDefinition definition)
    {
        var entryPoint = EntryPointDescription.FromExplicitlyGroupedKernel(definition.Method);
        var compiled = (PTXCompiledKernel)backend.Compile(
            entryPoint, definition.Specialization, new PtxPasses(target >= ComputeCapability.TensorCores, definition.SavesRegisters));
        return new PtxKernel(definition, compiled.Name, PtxText.Finish(compiled.PTXAssembly));
    }

    // A kernel that fails leaves the context half done, in which others fail too.
    private void Reopen(DebugSymbolsMode lines)
    {
        Dispose();
        (context, backend) = Open(lines);
    }

    private (Context Context, PTXBackend Backend) Open(DebugSymbolsMode lines)
    {
        // The first level of optimisation: the second is in PtxPasses, where a kernel can do without its last pass.
        var opened = Context.Create(builder => SetDebugSymbols(
            builder.Optimize(OptimizationLevel.O1).Inlining(InliningMode.Aggressive).EnableAlgorithms(), lines));
        return (opened, new PTXBackend(opened, new CudaArchitecture(target.Major, target.Minor), InstructionSet, nvvmAPI: null!));
    }
}

/// <summary>A kernel in PTX.</summary>
/// <param name="Definition">What was compiled.</param>
/// <param name="EntryPoint">The function's name in the text.</param>
/// <param name="Text">A PTX module with this function.</param>
public sealed record PtxKernel(KernelDefinition Definition, string EntryPoint, string Text);
