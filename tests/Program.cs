using Microsoft.Testing.Platform.Builder;
using Pascl.Tests.Processes;
using Pascl.Tests.Training.Ranks;

[assembly: Parallelizable(ParallelScope.Fixtures)]
[assembly: InWorkerProcesses]

namespace Pascl.Tests;

/// <summary>The tests' program: a run of tests, or one of the processes in which a run has its tests done, or trains or exchanges as a rank.</summary>
internal static class Program
{
    /// <summary>The exit code of Microsoft.Testing.Platform where a test failed.</summary>
    private const int TestsFailed = 2;

    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is [Worker.Argument, var pipe])
        {
            return Worker.Run(pipe);
        }

        if (arguments is [RankTraining.Argument, var method, var type, var output, .. var collectives])
        {
            return RankTraining.Run(method, type, output, byNccl: collectives is [RankTraining.ByNccl]);
        }

        if (arguments is [NcclRank.Argument, .. var work])
        {
            return NcclRank.Run(work);
        }

        var builder = await TestApplication.CreateBuilderAsync(arguments);
        SelfRegisteredExtensions.AddSelfRegisteredExtensions(builder, arguments);
        using var application = await builder.BuildAsync();
        var exitCode = await application.RunAsync();
        foreach (var fault in WorkerPool.Faults)
        {
            await Console.Error.WriteLineAsync(fault);
        }

        return exitCode == 0 && !WorkerPool.Faults.IsEmpty ? TestsFailed : exitCode;
    }
}
