using Pascl.Kernels.Device;

namespace Pascl.Kernels.Ptx;

/// <summary>How a launch is run.</summary>
/// <param name="Seed">Decides which warp is next at every access to memory, and in which order blocks begin.</param>
/// <param name="MostInstructions">
/// After how many instructions of threads no other block is begun, so that a large launch is sampled: what the other blocks would have written is missing.
/// </param>
/// <param name="Checks">Whether races, reads of what was never written and addresses in nobody's memory are looked for.</param>
internal sealed record PtxRunOptions(int Seed = 0, long MostInstructions = long.MaxValue, bool Checks = true);

/// <summary>One launch of a kernel on the machine.</summary>
internal sealed class PtxLaunch
{
    // Blocks that are on the machine at once: enough that each meets others at every stage.
    private const int ResidentBlocks = 4;

    private readonly AccessHistory? history;
    private readonly PtxRunOptions options;
    private readonly long arrayBytes;

    /// <summary>Prepares a launch.</summary>
    /// <param name="code">The kernel.</param>
    /// <param name="shape">Blocks and threads.</param>
    /// <param name="parameters">The bytes of the arguments, as the kernel reads them.</param>
    /// <param name="arrays">The arrays among them.</param>
    /// <param name="holding">The allocation that an address is in, or null.</param>
    /// <param name="options">How it is run.</param>
    public PtxLaunch(
        PtxCode code, LaunchShape shape, byte[] parameters, IReadOnlyList<PtxArray> arrays, Func<nint, PtxAllocation?> holding, PtxRunOptions options)
    {
        (Code, Shape, Parameters, this.options) = (code, shape, parameters, options);
        arrayBytes = arrays.Sum(array => array.Bytes);
        Counts = new PtxCounts(code);
        if (options.Checks)
        {
            Order = new HappensBefore(shape.Threads);
            history = new AccessHistory(Order, code.Program.SmallestAccess);
        }

        Global = new PtxGlobalMemory(arrays, holding, history);
    }

    /// <summary>The kernel.</summary>
    public PtxCode Code { get; }

    /// <summary>Blocks and threads.</summary>
    public LaunchShape Shape { get; }

    /// <summary>The bytes of the arguments.</summary>
    public byte[] Parameters { get; }

    /// <summary>The arrays.</summary>
    public PtxGlobalMemory Global { get; }

    /// <summary>Which accesses come before others; null where nothing is checked.</summary>
    public HappensBefore? Order { get; }

    /// <summary>Whether races and reads of what was never written are looked for.</summary>
    public bool Checks => options.Checks;

    /// <summary>What was executed.</summary>
    public PtxCounts Counts { get; }

    /// <summary>The kernel's name, for people.</summary>
    public string Name => Code.Name;

    /// <summary>Runs it to its end.</summary>
    /// <exception cref="DeviceException">The kernel does what a kernel must not do; the message says what, where and which thread.</exception>
    public void Run()
    {
        var random = new Random(options.Seed);
        var blocks = Enumerable.Range(0, Shape.Columns * Shape.Rows).ToArray();
        random.Shuffle(blocks);
        var waiting = new Stack<int>(blocks);
        var free = new Stack<PtxWarp[]>(Enumerable.Range(0, Math.Min(ResidentBlocks, waiting.Count)).Select(_ => NewWarps()));
        var ready = new List<PtxWarp>();
        while (true)
        {
            while (free.Count > 0 && waiting.Count > 0 && (Counts.ThreadInstructions < options.MostInstructions || Code.WritesIndices))
            {
                ready.AddRange(new PtxBlock(this, waiting.Pop(), free.Pop(), NewSharedMemory()).Warps);
            }

            if (ready.Count == 0)
            {
                Counts.Scale = (double)blocks.Length / (blocks.Length - waiting.Count);
                return;
            }

            var index = random.Next(ready.Count);
            var warp = ready[index];
            warp.Run();
            if (warp.IsReady)
            {
                continue;
            }

            ready[index] = ready[^1];
            ready.RemoveAt(ready.Count - 1);
            switch (warp.Block.Settle())
            {
                case BlockState.PassedBarrier:
                    ready.AddRange(warp.Block.Warps);
                    break;
                case BlockState.Ended:
                    free.Push(warp.Block.Warps);
                    break;
            }
        }
    }

    /// <summary>What it did, for the whole grid.</summary>
    public KernelWork Work() => KernelWork.Of(Name, Counts, arrayBytes, Global.BytesElsewhere * Counts.Scale);

    /// <summary>Counts an instruction that some lanes of a warp execute.</summary>
    public void Count(int instruction, uint lanes) => Counts.Add(instruction, lanes);

    /// <summary>Counts a branch whose lanes go different ways.</summary>
    public void CountDivergence(int instruction) => Counts.AddDivergence(instruction);

    /// <summary>Counts what an access to memory costs, and returns its moment.</summary>
    public long Touch(bool isGlobal, bool isShared, int bytes, PtxWarp warp, PtxOperand address, uint lanes)
    {
        if (isGlobal)
        {
            Counts.AddGlobal(warp.Lanes(address.Row), address.Offset, bytes, lanes);
        }
        else if (isShared)
        {
            Counts.AddShared(warp.Lanes(address.Row), address.Offset, bytes, lanes);
        }

        return Now();
    }

    /// <summary>A moment after all others.</summary>
    public long Now() => Order?.Next() ?? 0;

    private PtxWarp[] NewWarps() => [.. Enumerable.Range(0, Shape.Threads / PtxWarp.Size).Select(index => new PtxWarp(this, index))];

    private PtxSharedMemory NewSharedMemory()
    {
        var program = Code.Program;
        var bytes = Shape.SharedBytes > 0 ? program.DynamicSharedOffset + Shape.SharedBytes : program.StaticSharedBytes;
        return new PtxSharedMemory(bytes, history is null ? null : new AccessHistory(Order!, program.SmallestAccess));
    }
}

/// <summary>What the threads of a block are at when none of them can go on alone.</summary>
internal enum BlockState
{
    /// <summary>Some of its warps can go on.</summary>
    Running,

    /// <summary>All were at a barrier, and can go on now.</summary>
    PassedBarrier,

    /// <summary>All have ended.</summary>
    Ended,
}

/// <summary>A block on the machine.</summary>
internal sealed class PtxBlock
{
    private readonly PtxLaunch launch;

    /// <summary>Starts a block.</summary>
    public PtxBlock(PtxLaunch launch, int number, PtxWarp[] warps, PtxSharedMemory shared)
    {
        (this.launch, Number, Warps, Shared) = (launch, number, warps, shared);
        launch.Order?.Begin(number);
        foreach (var warp in warps)
        {
            warp.Begin(this);
        }
    }

    /// <summary>Row by row.</summary>
    public int Number { get; }

    public PtxWarp[] Warps { get; }

    public PtxSharedMemory Shared { get; }

    /// <summary>Lets all threads pass a barrier once all have come, and finds those that never will.</summary>
    public BlockState Settle()
    {
        if (Array.Exists(Warps, warp => warp.IsReady))
        {
            return BlockState.Running;
        }

        if (Array.Find(Warps.Select(warp => warp.WhyStuck()).ToArray(), fault => fault is not null) is { } stuck)
        {
            throw stuck;
        }

        if (Array.Find(Warps, warp => warp.Waiting() is not null) is not { } waiting)
        {
            launch.Order?.End(Number);
            return BlockState.Ended;
        }

        var arrived = Warps.Where(warp => warp.Waiting() is not null).ToArray();
        if (arrived.Length < Warps.Length)
        {
            throw waiting.BarrierFault($"is at a barrier that only {arrived.Length * PtxWarp.Size} of {launch.Shape.Threads} threads reach; the others have ended");
        }

        if (arrived.Select(warp => warp.Waiting()!.Value.Instruction).Distinct().Count() > 1)
        {
            throw waiting.BarrierFault("is at a barrier while other threads of its block are at another one");
        }

        launch.Order?.Barrier(Number);
        foreach (var warp in Warps)
        {
            warp.PassBarrier();
        }

        return BlockState.PassedBarrier;
    }
}
