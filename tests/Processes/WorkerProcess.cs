using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Pipes;
using System.Text.Json;

namespace Pascl.Tests.Processes;

/// <summary>A worker seen from the process that hands out the tests.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private const int LinesKept = 20;

    private static readonly TimeSpan timeToEnd = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan timeForLastWords = TimeSpan.FromSeconds(2);

    private readonly ConcurrentQueue<string> lastWords = new();
    private readonly Process process;
    private readonly Task output;
    private readonly NamedPipeServerStream pipe;
    private readonly StreamReader reader;

    /// <summary>Starts a worker whose loops over tensors take the threads given, unless the environment says how many.</summary>
    public WorkerProcess(int threads, bool simulatesGpu)
    {
        SimulatesGpu = simulatesGpu;
        var name = $"pascl-tests-{Guid.NewGuid():n}";
        pipe = new(name, PipeDirection.InOut, 1, PipeTransmissionMode.Byte, PipeOptions.Asynchronous | PipeOptions.CurrentUserOnly);
        process = Process.Start(StartInfo(name, threads, simulatesGpu))!;
        process.StandardInput.Close();
        output = Task.WhenAll(Keep(process.StandardOutput), Keep(process.StandardError));
        reader = new(pipe, leaveOpen: true);
        Task.WaitAny(pipe.WaitForConnectionAsync(), process.WaitForExitAsync());
    }

    /// <summary>Runs a test and returns its result, or null where the process ended instead; <see cref="Ending"/> says how.</summary>
    public WorkerResult? Run(TestName test)
    {
        (HasBegun, Fixture) = (false, test.Fixture);
        lastWords.Clear();
        try
        {
            Write(new(test));
            while (reader.ReadLine() is { } line)
            {
                if (JsonSerializer.Deserialize<WorkerLine>(line)!.Result is { } result)
                {
                    return result;
                }

                HasBegun = true;
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            // A pipe that broke, or that nobody ever opened.
        }

        return null;
    }

    /// <summary>Whether the test that was asked for, or its fixture's preparation, had begun.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Whether it is told of one processor, for fixtures that simulate GPUs.</summary>
    public bool SimulatesGpu { get; }

    /// <summary>The fixture of the last test.</summary>
    public string? Fixture { get; private set; }

    /// <summary>Waits for the process to end after its last test, so that its fixture is torn down.</summary>
    public void Finish()
    {
        try
        {
            Write(new(null));
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            // It has ended already, and its exit code says how.
        }

        WaitForTheEnd();
    }

    /// <summary>How the process ended, as "SIGABRT" and the last lines that it wrote, or null where it ended as it should.</summary>
    public (string Reason, string LastWords)? Ending
    {
        get
        {
            WaitForTheEnd();
            output.Wait(timeForLastWords);
            return process.ExitCode == 0 ? null : (ExitReason.Of(process.ExitCode), string.Join('\n', lastWords));
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        pipe.Dispose();
        process.Dispose();
    }

    private static ProcessStartInfo StartInfo(string pipe, int threads, bool simulatesGpu)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(WorkerProcess).Assembly.Location);
        }

        start.ArgumentList.Add(Worker.Argument);
        start.ArgumentList.Add(pipe);
        start.Environment.TryAdd("OMP_NUM_THREADS", $"{threads}");
        if (simulatesGpu)
        {
            start.Environment.TryAdd("DOTNET_PROCESSOR_COUNT", "1");
        }

        return start;
    }

    private void WaitForTheEnd()
    {
        if (!process.WaitForExit(timeToEnd))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit(timeToEnd);
        }
    }

    private async Task Keep(StreamReader stream)
    {
        while (await stream.ReadLineAsync() is { } line)
        {
            lastWords.Enqueue(line);
            if (lastWords.Count > LinesKept)
            {
                lastWords.TryDequeue(out _);
            }
        }
    }

    private void Write(WorkerRequest request) => pipe.Write([.. JsonSerializer.SerializeToUtf8Bytes(request), (byte)'\n']);
}
