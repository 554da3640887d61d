using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class PrefetcherTests
{
    [TestCase(1, 1)]
    [TestCase(3, 2)]
    [TestCase(5, 20)]
    public void results_come_in_order_from_any_number_of_threads(int workers, int depth)
    {
        using var prefetcher = new Prefetcher<Item>(number => new Item(number), 2, 19, workers, depth);
        Assert.That(Enumerable.Range(2, 17).Select(_ => prefetcher.Next().Number), Is.EqualTo(Enumerable.Range(2, 17)));
        Assert.That(prefetcher.Next, Throws.InvalidOperationException);
    }

    [Test]
    public void no_more_results_are_prepared_than_asked_for()
    {
        var built = 0;
        using var prefetcher = new Prefetcher<Item>(number => new Item(Interlocked.Increment(ref built)), 0, 1000, 1, 3);

        // Three wait in the queue and one in the hands of the thread.
        Assert.That(SpinWait.SpinUntil(() => Volatile.Read(ref built) == 4, TimeSpan.FromSeconds(30)));
        Thread.Sleep(50);
        Assert.That(Volatile.Read(ref built), Is.EqualTo(4));
    }

    [TestCase(1)]
    [TestCase(2)]
    public void leaving_early_ends_the_threads_and_disposes_the_results_nobody_took(int workers)
    {
        var items = new List<Item>();
        var threads = new HashSet<Thread>();
        Item Build(int number)
        {
            var item = new Item(number);
            lock (items)
            {
                items.Add(item);
                threads.Add(Thread.CurrentThread);
            }

            return item;
        }

        Item taken;
        using (var prefetcher = new Prefetcher<Item>(Build, 0, 1000, workers, 4))
        {
            taken = prefetcher.Next();
        }

        Assert.That(threads.Select(thread => thread.IsAlive).ToArray(), Is.Not.Empty.And.All.False);
        Assert.That(items, Has.Count.LessThan(1000));
        Assert.That(items.Where(item => !item.Disposed), Is.EqualTo(new[] { taken }));
    }

    [Test]
    public void an_exception_is_thrown_when_its_result_is_due()
    {
        static Item Build(int number) => number == 3 ? throw new InputException("broken") : new Item(number);

        using var prefetcher = new Prefetcher<Item>(Build, 0, 9, 2, 8);
        Assert.That(Enumerable.Range(0, 3).Select(_ => prefetcher.Next().Number), Is.EqualTo(Enumerable.Range(0, 3)));
        Assert.That(prefetcher.Next, Throws.TypeOf<InputException>().With.Message.EqualTo("broken"));
    }

    private sealed class Item(int number) : IDisposable
    {
        public int Number => number;

        public bool Disposed { get; private set; }

        public void Dispose() => Disposed = true;
    }
}
