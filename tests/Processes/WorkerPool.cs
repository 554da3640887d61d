using System.Collections.Concurrent;

namespace Pascl.Tests.Processes;

/// <summary>The workers of a run: as many as tests run at the same time, and a new one for each that ended.</summary>
internal sealed class WorkerPool(int size)
{
    private readonly List<WorkerProcess> idle = [];

    /// <summary>Ends of workers that no test could be blamed for. The run has failed all the same.</summary>
    public static ConcurrentQueue<string> Faults { get; } = new();

    /// <summary>Has a test run by a worker. One that dies before the test began is replaced once, because something before the test killed it.</summary>
    public WorkerResult Run(TestName test)
    {
        var worker = Rent(test);
        var result = worker.Run(test);
        if (result is null && !worker.HasBegun)
        {
            Faults.Enqueue(Fault(worker, $"before {test.FullName} began, after the tests of another fixture or while it started"));
            worker.Dispose();
            worker = Start(test.SimulatesGpu);
            result = worker.Run(test);
        }

        if (result is not null)
        {
            Return(worker);
            return result;
        }

        using (worker)
        {
            return WorkerResult.Error(Fault(worker, $"in {test.FullName}"));
        }
    }

    /// <summary>Lets the workers tear down their last fixtures and end.</summary>
    public void End()
    {
        foreach (var worker in idle)
        {
            End(worker);
        }

        idle.Clear();
    }

    private static void End(WorkerProcess worker)
    {
        worker.Finish();
        if (worker.Ending is not null)
        {
            Faults.Enqueue(Fault(worker, "after its last test"));
        }

        worker.Dispose();
    }

    private static string Fault(WorkerProcess worker, string when)
    {
        var (reason, lastWords) = worker.Ending ?? ("exit code 0", "");
        return $"{reason} ended the worker process {when}.{(lastWords.Length == 0 ? "" : $" Its last lines:\n{lastWords}")}";
    }

    private WorkerProcess Start(bool simulatesGpu) => new(Math.Max(1, Environment.ProcessorCount / size), simulatesGpu);

    /// <summary>
    /// The worker that has the fixture set up already, else the one that waits longest: another may just have been returned between two tests of the
    /// fixture that another thread runs. A worker of the other kind is ended, so that there are never more of them than tests at the same time.
    /// </summary>
    private WorkerProcess Rent(TestName test)
    {
        WorkerProcess? worker = null;
        lock (idle)
        {
            if (idle.Find(process => process.Fixture == test.Fixture) is { } ready)
            {
                idle.Remove(ready);
                return ready;
            }

            if (idle.Count > 0)
            {
                worker = idle.Find(process => process.SimulatesGpu == test.SimulatesGpu) ?? idle[0];
                idle.Remove(worker);
            }
        }

        if (worker is not null && worker.SimulatesGpu == test.SimulatesGpu)
        {
            return worker;
        }

        if (worker is not null)
        {
            End(worker);
        }

        return Start(test.SimulatesGpu);
    }

    private void Return(WorkerProcess worker)
    {
        lock (idle)
        {
            idle.Add(worker);
        }
    }
}
