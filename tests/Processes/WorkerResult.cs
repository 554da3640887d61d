using NUnit.Framework.Interfaces;

namespace Pascl.Tests.Processes;

/// <summary>What a worker says of a test.</summary>
internal sealed record WorkerResult(TestStatus Status, string Label, FailureSite Site, string? Message, string? StackTrace, string Output)
{
    public static WorkerResult Of(ITestResult result, string errors)
    {
        var state = result.ResultState;
        return new(state.Status, state.Label, state.Site, result.Message, result.StackTrace, result.Output + errors);
    }

    public static WorkerResult Error(string message) =>
        new(TestStatus.Failed, ResultState.Error.Label, FailureSite.Test, message, null, "");
}

/// <summary>A line from a worker: a result, or without one that the test began, so that from now on it is the test that a death of the process belongs to.</summary>
internal sealed record WorkerLine(WorkerResult? Result);

/// <summary>A line to a worker: the next test, or without one that no more come.</summary>
internal sealed record WorkerRequest(TestName? Test);
