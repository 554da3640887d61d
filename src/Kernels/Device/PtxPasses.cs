using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU.Backends;
using ILGPU.Backends.PointerViews;
using ILGPU.IR;
using ILGPU.IR.Rewriting;
using ILGPU.IR.Transformations;
using ILGPU.IR.Values;
using ILGPU.Runtime;

namespace Pascl.Kernels.Device;

/// <summary>
/// How a kernel is optimised before it becomes PTX: what ILGPU does at its second level, with two differences. Which device it is for is known from the
/// start, so that code for others goes before anything else is done. And values are moved close to where they are used only in kernels that ask for it: that
/// saves registers, but it moves roots, reciprocals and divisions from before a loop into it.
/// </summary>
/// <remarks>The compiler's context has the first level, which does nothing to a kernel that went through this.</remarks>
internal sealed class PtxPasses(bool hasTensorCores, bool savesRegisters) : IBackendHook
{
    private static readonly Transformer placement = Transformer.Create(
        TransformerConfiguration.Empty, new CodePlacement<CodePlacement.GroupOperands>(CodePlacementMode.Aggressive));

    private static readonly Transformer edges = Transformer.Create(TransformerConfiguration.Empty, new EdgesToPhis());

    private readonly Transformer passes = Transformer.Create(
        TransformerConfiguration.Empty,
        new DeviceConstants(hasTensorCores),
        new UnreachableCodeElimination(),
        new DeadCodeElimination(),
        new CleanupBlocks(),
        new SimplifyControlFlow(),
        new LowerArrays(MemoryAddressSpace.Local),
        new LowerPointerViews(),
        new Inliner(),
        new UnreachableCodeElimination(),
        new DeadCodeElimination(),
        new InferKernelAddressSpaces(MemoryAddressSpace.Global),
        new LowerStructures(),
        new UnreachableCodeElimination(),
        new DeadCodeElimination(),
        new SSAStructureConstruction(),
        new InferLocalAddressSpaces(),
        new CleanupBlocks(),
        new SimplifyControlFlow(),
        new LoopInvariantCodeMotion(),
        new UnreachableCodeElimination(),
        new DeadCodeElimination(),
        new SimplifyControlFlow(),
        new DeadCodeElimination());

    public void FinishedCodeGeneration(IRContext context, Method entryPoint)
    {
    }

    public void InitializedKernelContext(IRContext kernelContext, Method kernelMethod) => kernelContext.Transform(passes);

    public void OptimizedKernelContext(IRContext kernelContext, Method kernelMethod)
    {
        if (savesRegisters)
        {
            kernelContext.Transform(placement);
        }

        kernelContext.Transform(edges);
    }

    /// <summary>Puts in what is known of the device, and folds the conditions that depend on it.</summary>
    private sealed class DeviceConstants(bool hasTensorCores) : UnorderedTransformation
    {
        private static readonly Rewriter<bool> rewriter = Create();

        protected override bool PerformTransformation(Method.Builder builder) => rewriter.Rewrite(builder.SourceBlocks, builder, hasTensorCores);

        private static Rewriter<bool> Create()
        {
            var rewriter = new Rewriter<bool>();
            rewriter.Add<AcceleratorTypeValue>((context, _, value) =>
                context.ReplaceAndRemove(value, context.Builder.CreatePrimitiveValue(value.Location, (int)AcceleratorType.Cuda)));
            rewriter.Add<MethodCall>(
                (_, call) => call.Target.HasSource && call.Target.Source == DeviceFeatures.TensorCores,
                (context, hasTensorCores, call) => context.ReplaceAndRemove(call, context.Builder.CreatePrimitiveValue(call.Location, hasTensorCores)));
            rewriter.Add<CompareValue>((context, _, value) =>
            {
                if (value.Left.Resolve() is PrimitiveValue left && value.Right.Resolve() is PrimitiveValue right)
                {
                    context.ReplaceAndRemove(value, context.Builder.CreateCompare(value.Location, left, right, value.Kind, value.Flags));
                }
            });
            rewriter.Add<UnaryArithmeticValue>((context, _, value) =>
            {
                if (value.Value.Resolve() is PrimitiveValue operand)
                {
                    context.ReplaceAndRemove(value, context.Builder.CreateArithmetic(value.Location, operand, value.Kind, value.Flags));
                }
            });
            rewriter.Add<Predicate>((context, _, value) =>
            {
                if (value.Condition.Resolve() is PrimitiveValue condition)
                {
                    context.ReplaceAndRemove(value, (condition.Int1Value ? value.TrueValue : value.FalseValue).Resolve());
                }
            });
            return rewriter;
        }
    }

    /// <summary>
    /// Gives each way from a branch to a value that is merged there (a phi) a block of its own. ILGPU 1.5.3 moves the merged value into its register before
    /// the branch if the other way comes back to the same place, although the old value may still be needed on that way: the count of a class, as the end of
    /// a run less its start, became 0.
    /// </summary>
    private sealed class EdgesToPhis : UnorderedTransformation
    {
        protected override bool PerformTransformation(Method.Builder builder)
        {
            var found = new List<(BasicBlock From, BasicBlock To)>();
            foreach (var block in builder.SourceBlocks)
            {
                if (block.Terminator is ConditionalBranch branch)
                {
                    found.AddRange(branch.Targets.ToArray().Distinct().Where(target => Merges(target, block)).Select(target => (block, target)));
                }
            }

            foreach (var (from, to) in found)
            {
                var between = builder.CreateBasicBlock(from.Terminator!.Location);
                between.CreateBranch(from.Terminator.Location, to);
                from.Terminator.RemapTargets(builder, new Detour(to, between));
                foreach (var phi in Phis(to))
                {
                    phi.RemapArguments(builder, new PhiValue.BlockRemapper(from, between));
                }
            }

            return found.Count > 0;
        }

        private static bool Merges(BasicBlock target, BasicBlock source) => Phis(target).Exists(phi => phi.Sources.ToArray().Contains(source));

        private static List<PhiValue> Phis(BasicBlock block)
        {
            var phis = new List<PhiValue>();
            foreach (Value value in block)
            {
                if (value is PhiValue phi)
                {
                    phis.Add(phi);
                }
            }

            return phis;
        }

        private readonly struct Detour(BasicBlock to, BasicBlock between) : TerminatorValue.ITargetRemapper
        {
            public bool CanRemap(in ReadOnlySpan<BasicBlock> blocks) => blocks.ToArray().Contains(to);

            public BasicBlock Remap(BasicBlock block) => block == to ? between : block;
        }
    }
}

/// <summary>What a kernel can ask of the device that it is compiled for. The answer is a constant, and code for other devices is not in the kernel.</summary>
internal static class DeviceFeatures
{
    /// <summary>The method that <see cref="PtxPasses"/> replaces by a constant.</summary>
    public static readonly MethodInfo TensorCores = ((Func<bool>)HasTensorCores).Method;

    /// <summary>Whether it is a GPU of compute capability 8.0 or later, which also has instructions that round to bfloat16. The simulator is none.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool HasTensorCores() => false;
}
